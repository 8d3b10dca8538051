import type { Beef, BeefTransaction } from '../../contract/beef.ts'
import { ancestry } from '../../contract/beef.ts'
import { readBump } from '../../contract/bump.ts'
import { isPipelineOutput } from '../../contract/pipeline-transaction.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import { openRecentTransactions, type RecentTransactions } from '../chain/recent-transactions.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** One of ours with what it descends from, as it is stored now. */
export type History = {
  /** To be judged: every transaction of the pipeline in full, block proofs on fuel only. */
  readonly beef: Beef
  /** What no block holds yet, parents first; the last one is ours. */
  readonly unproven: readonly BeefTransaction[]
  readonly ours: ReadonlySet<string>
  /** An ancestor of ours that is dead, and this one with it. */
  readonly deadAncestor: string | undefined
  /** The overlay has let go of something that ours descends from: it is for the network to say whether that is lost. */
  readonly isEvicted: boolean
}

/**
 * Read generation by generation, from our own transactions and from what the overlay has stored. Undefined where an
 * ancestor is nowhere: a reorganisation has taken the proof that made it needless, until the next block.
 */
export async function readHistory(
  db: Queryable,
  txid: string,
  recent: RecentTransactions = openRecentTransactions(),
): Promise<History | undefined> {
  const rows = new Map<string, Stored>()
  const inFull = new Set<string>([txid])
  const walked = new Set<string>()
  let wanted = [txid]
  while (wanted.length > 0) {
    const missing = wanted.filter(each => !rows.has(each))
    const threads = withThreads(missing, recent).filter(each => !rows.has(each))
    for (const row of await readStored(db, threads, recent)) rows.set(row.transaction.txid, row)
    const next = new Set<string>()
    for (const each of wanted) {
      const row = rows.get(each)
      if (row === undefined) return undefined
      walked.add(each)
      if (row.proof !== undefined && !inFull.has(each)) continue
      for (const input of row.transaction.inputs) {
        const parent = rows.get(input.txid)
        // Asked for once; and once more where it turns out that its proof must not stand for it.
        const hidesToken = isPipelineOutput(parent?.transaction.outputs[input.vout])
        // Also what was read with a thread, and stands beside it: it may have parents of its own.
        if (!walked.has(input.txid) || (hidesToken && !inFull.has(input.txid))) next.add(input.txid)
        if (hidesToken) inFull.add(input.txid)
      }
    }
    // What has just been read may hold tokens that its children spend: they are looked at again.
    wanted = [...next].flatMap(each => (rows.has(each) ? [each] : [each, ...childrenOf(each, rows)]))
  }
  return historyOf(txid, rows, inFull)
}

/**
 * With what they spend, along tokens as far as the bytes are at hand: a thread is read at once, where it would be read
 * generation by generation.
 */
function withThreads(txids: readonly string[], recent: RecentTransactions): string[] {
  const wanted = new Set(txids)
  const open = [...txids]
  for (let txid = open.pop(); txid !== undefined; txid = open.pop())
    for (const input of recent.get(txid)?.inputs ?? []) {
      if (wanted.has(input.txid)) continue
      wanted.add(input.txid)
      if (isPipelineOutput(recent.get(input.txid)?.outputs[input.vout])) open.push(input.txid)
    }
  return [...wanted]
}

function childrenOf(txid: string, rows: ReadonlyMap<string, Stored>): string[] {
  return [...rows.values()].flatMap(({ transaction }) =>
    transaction.inputs.some(input => input.txid === txid) ? [transaction.txid] : [],
  )
}

function historyOf(txid: string, rows: ReadonlyMap<string, Stored>, inFull: ReadonlySet<string>): History {
  const byTxid = new Map(
    [...rows].map(([each, { transaction, proof }]): [string, BeefTransaction] => [
      each,
      proof === undefined || inFull.has(each) ? transaction : { ...transaction, proof },
    ]),
  )
  const subject = byTxid.get(txid)
  if (subject === undefined) throw new Error(`${txid} is not stored`)
  const transactions = ancestry({ subject, byTxid })
  return {
    beef: { subject, transactions, byTxid: new Map(transactions.map(each => [each.txid, each])) },
    unproven: transactions.filter(each => rows.get(each.txid)?.proof === undefined),
    ours: new Set([...rows].flatMap(([each, { state }]) => (state === undefined ? [] : [each]))),
    deadAncestor: transactions.find(each => each.txid !== txid && rows.get(each.txid)?.state === 'dead')
      ?.txid,
    isEvicted: transactions.some(each => rows.get(each.txid)?.isEvicted),
  }
}

type Stored = {
  readonly transaction: BeefTransaction
  readonly proof: BeefTransaction['proof']
  /** Undefined: not one of ours. */
  readonly state: string | undefined
  readonly isEvicted: boolean
}

/** The bytes of those that are at hand stay where they are: a txid stands for the same ones for ever. */
async function readStored(
  db: Queryable,
  txids: readonly string[],
  recent: RecentTransactions,
): Promise<Stored[]> {
  if (txids.length === 0) return []
  const atHand = new Map(txids.map(txid => [txid, recent.get(txid)]))
  const { rows } = await db.query<{
    txid: string
    raw: Buffer | null
    proof: Buffer | null
    state: string | null
    isEvicted: boolean
  }>({
    name: 'fuel-history',
    text: `select encode(txid, 'hex') as txid, case when not at_hand then coalesce(ours.raw, theirs.raw, gone.raw) end as raw,
        coalesce(ours.proof, theirs.proof) as proof, ours.state, ours.txid is null and theirs.txid is null as "isEvicted"
      from unnest((select $1::bytea[]), (select $2::boolean[])) as wanted (txid, at_hand)
      left join fuel_transactions ours using (txid) left join transactions theirs using (txid)
      left join lateral (select raw from evicted where evicted.txid = wanted.txid limit 1) as gone
        on ours.txid is null and theirs.txid is null
      where coalesce(ours.txid, theirs.txid) is not null or gone.raw is not null`,
    values: [byteas(txids), txids.map(txid => atHand.get(txid) !== undefined)],
  })
  return rows.map(({ txid, raw, proof, state, isEvicted }) => {
    // A copy: what is kept must not hold on to the whole answer of the database.
    const transaction =
      atHand.get(txid) ?? orThrow(readTransaction(Uint8Array.from(raw ?? new Uint8Array(0))))
    recent.keep(transaction)
    return {
      transaction,
      proof: proof === null ? undefined : orThrow(readBump(proof)),
      state: state ?? undefined,
      isEvicted,
    }
  })
}
