import { pipelineTransaction } from '../../contract/pipeline-transaction.ts'
import { readTransaction, type Transaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import type { PipelineTransaction } from '../../core/rounds/pipeline.ts'
import type { RoundView } from '../../jobs/ports.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** What the network holds of a round, as far as is known here: ours by the fuel that paid for them, others' by the overlay. */
export async function readRoundView(db: Queryable, roundId: string): Promise<RoundView> {
  const { rows } = await db.query<{ raw: Buffer; isDead: boolean; isMined: boolean }>({
    name: 'rounds-view',
    text: `with ours as (
        select txid, raw, state = 'dead' as dead, state = 'mined' as mined from fuel_transactions where subject = $1
      ), answers as (
        select listed.txid from round_jobs as job join gitdata_jobs as listed on listed.job_tx = job.txid
          where job.round_id = $1
        union
        select result.txid from round_jobs as job join round_results as result on result.job_tx = job.txid
          where job.round_id = $1
      ), named as (
        select txid from ours union select txid from answers
      ), others as (
        select txid from answers
        union
        select coin.spender from named join coins as coin on coin.txid = named.txid where coin.spender is not null
      )
      select raw, dead as "isDead", mined as "isMined" from ours
      union all
      select coalesce(stored.raw, gone.raw), stored.raw is null, stored.proof is not null from others
        left join transactions as stored on stored.txid = others.txid
        left join lateral (select raw from evicted where evicted.txid = others.txid limit 1) as gone on true
        where not others.txid in (select txid from ours) and coalesce(stored.raw, gone.raw) is not null`,
    values: [bytea(roundId)],
  })
  const transactions = new Map<string, Transaction>()
  const known: PipelineTransaction[] = []
  const dead = new Set<string>()
  const mined = new Set<string>()
  for (const { raw, isDead, isMined } of rows) {
    const transaction = orThrow(readTransaction(Uint8Array.from(raw)))
    transactions.set(transaction.txid, transaction)
    known.push(pipelineTransaction(transaction))
    if (isDead) dead.add(transaction.txid)
    if (isMined) mined.add(transaction.txid)
  }
  revive(known, mined, dead)
  const network = viewOf(known, dead)
  const elsewhere = await readCertificatesElsewhere(db, roundId)
  const isLive = (txid: string) => network.isLive(txid) || elsewhere.has(txid)
  return { known, transactions, network: { ...network, isLive } }
}

/** By which its packets are certified in other rounds: beside one of them, this round's must not count. */
async function readCertificatesElsewhere(db: Queryable, roundId: string): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ txid: string }>({
    name: 'rounds-certified-elsewhere',
    text: `select encode(sent.txid, 'hex') as txid from round_members as member
      join packet_standings as standing using (packet_id)
      join fuel_transactions as sent on sent.txid = standing.certificate
      where member.round_id = $1 and sent.subject <> $1 and sent.state <> 'dead'`,
    values: [bytea(roundId)],
  })
  return new Set(rows.map(({ txid }) => txid))
}

/** What a block has is alive with all that it spends, whatever was once said of that: the chain may have come back to it. */
function revive(known: readonly PipelineTransaction[], mined: Set<string>, dead: Set<string>): void {
  for (let before = -1; before < mined.size; ) {
    before = mined.size
    for (const { txid, inputs } of known)
      if (mined.has(txid)) for (const input of inputs) mined.add(input.txid)
  }
  for (const txid of mined) dead.delete(txid)
}

/** Whatever spends something that is dead is dead with it, whether or not somebody has said so yet. */
function viewOf(known: readonly PipelineTransaction[], dead: Set<string>): RoundView['network'] {
  for (let before = -1; before < dead.size; ) {
    before = dead.size
    for (const { txid, inputs } of known) if (inputs.some(input => dead.has(input.txid))) dead.add(txid)
  }
  const live = known.filter(({ txid }) => !dead.has(txid))
  const txids = new Set(live.map(({ txid }) => txid))
  return {
    isLive: txid => txids.has(txid),
    spenderOf: ({ txid, vout }) =>
      live.find(({ inputs }) => inputs.some(input => input.txid === txid && input.vout === vout)),
  }
}
