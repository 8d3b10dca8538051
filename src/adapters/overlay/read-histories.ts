import type { BeefTransaction } from '../../contract/beef.ts'
import { isPipelineOutput } from '../../contract/pipeline-transaction.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type Ancestry, ancestryIn, readDown } from './read-ancestry.ts'

/**
 * These stored transactions as they are given to others, to be judged there: in history form. What spends a token of the
 * pipeline is judged by where that came from, so no block proof stands in its place, also when all of it is mined; of
 * everything else the ancestry ends at what a block proves. Undefined where all of it is longer than `bytesMax`.
 */
export async function readHistoriesUpTo(
  db: Queryable,
  txids: readonly string[],
  bytesMax: number | null,
): Promise<Ancestry | undefined> {
  const byTxid = new Map<string, BeefTransaction>()
  const absent = new Set<string>()
  let bytesLeft = bytesMax
  // One more read for each generation of tokens that blocks hold: a round has seven.
  for (let wanted: readonly string[] = txids; ; ) {
    const read = await readDown(db, wanted, bytesLeft)
    if (read === undefined) return undefined
    for (const transaction of read) {
      if (byTxid.has(transaction.txid)) continue
      byTxid.set(transaction.txid, transaction)
      if (bytesLeft !== null) bytesLeft = Math.max(0, bytesLeft - transaction.raw.length)
    }
    for (const txid of wanted) if (!byTxid.has(txid)) absent.add(txid)
    const { inFull, missing } = openTokens(txids, byTxid, absent)
    if (missing.size === 0) return ancestryIn(withoutProofs(inFull, byTxid))
    wanted = [...missing]
  }
}

/** The same, however long. */
export async function readHistories(db: Queryable, txids: readonly string[]): Promise<Ancestry> {
  const histories = await readHistoriesUpTo(db, txids, null)
  if (histories === undefined) throw new Error('histories without a bound were refused')
  return histories
}

type Opened = {
  /** Proven, and to be given with their parents nevertheless. */
  readonly inFull: ReadonlySet<string>
  /** Parents of those that nobody has looked for. */
  readonly missing: ReadonlySet<string>
}

/** Walks the spends of tokens, from each of these on. */
function openTokens(
  txids: readonly string[],
  byTxid: ReadonlyMap<string, BeefTransaction>,
  absent: ReadonlySet<string>,
): Opened {
  const [inFull, missing, walked] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const todo: { readonly transaction: BeefTransaction; readonly isToken: boolean }[] = []
  const walk = (transaction: BeefTransaction | undefined, isToken: boolean) => {
    if (transaction !== undefined) todo.push({ transaction, isToken })
  }
  for (const txid of txids) {
    const subject = byTxid.get(txid)
    walk(subject, subject?.outputs.some(isPipelineOutput) ?? false)
  }
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { transaction, isToken } = next
    const { txid, proof, inputs } = transaction
    if (proof !== undefined) {
      // Stored in the proof form, as somebody gave it to us: so it is passed on, rather than not at all.
      if (!isToken || inputs.some(input => absent.has(input.txid))) continue
      inFull.add(txid)
    }
    if (walked.has(txid)) continue
    walked.add(txid)
    for (const input of inputs) {
      const parent = byTxid.get(input.txid)
      if (parent === undefined && proof !== undefined) missing.add(input.txid)
      walk(parent, isPipelineOutput(parent?.outputs[input.vout]))
    }
  }
  return { inFull, missing }
}

function withoutProofs(
  inFull: ReadonlySet<string>,
  byTxid: ReadonlyMap<string, BeefTransaction>,
): ReadonlyMap<string, BeefTransaction> {
  return new Map(
    [...byTxid].map(([txid, transaction]) => {
      if (!inFull.has(txid)) return [txid, transaction]
      const { proof: _, ...rest } = transaction
      return [txid, rest]
    }),
  )
}
