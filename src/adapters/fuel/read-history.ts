import type { Beef, BeefTransaction } from '../../contract/beef.ts'
import { ancestry } from '../../contract/beef.ts'
import { readBump } from '../../contract/bump.ts'
import { isPipelineOutput } from '../../contract/pipeline-transaction.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
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
}

/**
 * Read generation by generation, from our own transactions and from what the overlay has stored. Undefined where an
 * ancestor is nowhere: a reorganisation has taken the proof that made it needless, until the next block.
 */
export async function readHistory(db: Queryable, txid: string): Promise<History | undefined> {
  const rows = new Map<string, Stored>()
  const inFull = new Set<string>([txid])
  let wanted = [txid]
  while (wanted.length > 0) {
    const missing = wanted.filter(each => !rows.has(each))
    for (const row of await readStored(db, missing)) rows.set(row.transaction.txid, row)
    const next = new Set<string>()
    for (const each of wanted) {
      const row = rows.get(each)
      if (row === undefined) return undefined
      if (row.proof !== undefined && !inFull.has(each)) continue
      for (const input of row.transaction.inputs) {
        const parent = rows.get(input.txid)
        // Asked for once; and once more where it turns out that its proof must not stand for it.
        const hidesToken = isPipelineOutput(parent?.transaction.outputs[input.vout])
        if (parent === undefined || (hidesToken && !inFull.has(input.txid))) next.add(input.txid)
        if (hidesToken) inFull.add(input.txid)
      }
    }
    // What has just been read may hold tokens that its children spend: they are looked at again.
    wanted = [...next].flatMap(each => (rows.has(each) ? [each] : [each, ...childrenOf(each, rows)]))
  }
  return historyOf(txid, rows, inFull)
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
  }
}

type Stored = {
  readonly transaction: BeefTransaction
  readonly proof: BeefTransaction['proof']
  /** Undefined: not one of ours. */
  readonly state: string | undefined
}

async function readStored(db: Queryable, txids: readonly string[]): Promise<Stored[]> {
  if (txids.length === 0) return []
  const { rows } = await db.query<{ raw: Buffer; proof: Buffer | null; state: string | null }>({
    name: 'fuel-history',
    text: `select coalesce(ours.raw, theirs.raw) as raw, coalesce(ours.proof, theirs.proof) as proof, ours.state
      from unnest($1::bytea[]) as wanted (txid)
      left join fuel_transactions ours using (txid) left join transactions theirs using (txid)
      where ours.txid is not null or theirs.txid is not null`,
    values: [byteas(txids)],
  })
  return rows.map(({ raw, proof, state }) => ({
    transaction: orThrow(readTransaction(raw)),
    proof: proof === null ? undefined : orThrow(readBump(proof)),
    state: state ?? undefined,
  }))
}
