import { type Bump, computeRoot, readBump } from '../../../contract/bump.ts'
import { fromHex } from '../../../core/bytes.ts'
import type { TransactionStatus } from '../chain.ts'
import type { ArcClient } from './arc-client.ts'
import { readArcAnswer } from './arc-word.ts'

/** How many questions are under way at once: ARC answers about one transaction at a time. */
export const STATUSES_AT_ONCE = 8

type RootAt = (height: number) => Promise<string | undefined>

/** What ARC knows of these. The first question that it does not answer ends them all. */
export async function statusesByArc(
  txids: readonly string[],
  arc: ArcClient,
  rootAt: RootAt,
): Promise<Map<string, TransactionStatus>> {
  const statuses = new Map<string, TransactionStatus>()
  const open = txids.values()
  const askAll = async () => {
    for (const txid of open) {
      const status = await statusByArc(txid, arc, rootAt)
      if (status !== undefined) statuses.set(txid, status)
    }
  }
  await Promise.all(Array.from({ length: Math.min(STATUSES_AT_ONCE, txids.length) }, askAll))
  return statuses
}

async function statusByArc(
  txid: string,
  arc: ArcClient,
  rootAt: RootAt,
): Promise<TransactionStatus | undefined> {
  const answer = await arc.statusOf(txid)
  if (answer === undefined) return undefined
  const word = readArcAnswer(answer)
  if (word.kind === 'mined') {
    const proof = await provenBy(word.merklePath, txid, rootAt)
    return proof === undefined ? { kind: 'seen' } : { kind: 'mined', proof }
  }
  // Contested is not lost: the network mines one of the two, and the other one is rejected then.
  const isOver = word.kind === 'rejected' && answer.txStatus === 'REJECTED' && word.reason !== 'orphan'
  return isOver ? { kind: 'refused', detail: word.detail } : { kind: 'seen' }
}

/** Undefined where it proves nothing by the headers that we have: ARC may be ahead of them, on another branch, or wrong. */
async function provenBy(
  merklePath: string | undefined,
  txid: string,
  rootAt: RootAt,
): Promise<Bump | undefined> {
  const bytes = merklePath === undefined ? undefined : fromHex(merklePath.toLowerCase())
  const proof = bytes === undefined ? undefined : readBump(bytes)
  if (!proof?.ok) return undefined
  const root = computeRoot(proof.value, txid)
  if (!root.ok) return undefined
  return (await rootAt(proof.value.height)) === root.value ? proof.value : undefined
}
