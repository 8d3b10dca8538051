import type { BeefTransaction } from '../../contract/beef.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { readHistoriesUpTo } from './read-histories.ts'

/** Of one answer; what is not found by then is left out. */
const READS_MAX = 32

/**
 * Histories of as many of these as fit, given how many outputs of each are asked for. What a block proves goes before
 * what waits for one, and the short before the long: so nobody's long history keeps everybody else out of an answer.
 */
export async function readFitting(
  db: Queryable,
  outputs: ReadonlyMap<string, number>,
  bytesMax: number,
): Promise<Map<string, readonly BeefTransaction[]>> {
  const found = new Map<string, readonly BeefTransaction[]>()
  const waiting = [await inOrderOfLength(db, [...outputs.keys()])]
  let bytesLeft = bytesMax
  // Of a long chain each history is nearly as long as the one before: the walks add up where nothing more fits, too.
  let bytesWalked = 0
  for (let reads = 0; reads < READS_MAX && bytesWalked <= 2 * bytesMax; reads++) {
    const txids = waiting.shift()
    if (txids === undefined) break
    const ancestry = await readHistoriesUpTo(db, txids, bytesLeft)
    if (ancestry === undefined) {
      const half = Math.ceil(txids.length / 2)
      if (txids.length > 1) waiting.unshift(txids.slice(0, half), txids.slice(half))
      continue
    }
    for (const txid of txids) {
      if (bytesWalked > 2 * bytesMax) break
      const history = ancestry.historyOf(txid)
      if (history === undefined) continue
      const bytes = lengthOf(history)
      bytesWalked += bytes
      const needed = bytes * (outputs.get(txid) ?? 1)
      if (needed > bytesLeft) continue
      bytesLeft -= needed
      found.set(txid, history)
    }
  }
  return found
}

export function lengthOf(history: readonly BeefTransaction[]): number {
  return history.reduce((sum, { raw }) => sum + raw.length, 0)
}

async function inOrderOfLength(db: Queryable, txids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ txid: string }>({
    name: 'order-of-length',
    text: `select encode(txid, 'hex') as txid from transactions where txid = any ($1)
      order by proof is null, octet_length(raw), transactions.txid`,
    values: [byteas(txids)],
  })
  return rows.map(({ txid }) => txid)
}
