import type { Beef } from '../../contract/beef.ts'
import { readSubmittedBeef } from '../../contract/submitted-beef.ts'
import type { Outcome } from '../../core/fault.ts'
import type { Steak, Submission } from '../overlay/submission.ts'
import { OvertakenError } from '../overlay/submit.ts'
import { isConnectionLoss, isOutOfTime } from '../postgres/connection-loss.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import type { SyncPage } from './sync-page.ts'
import type { Judgement } from './sync-progress.ts'

type Item = SyncPage['items'][number]

export type JudgeDeps = {
  submit(submission: Submission): Promise<Outcome<Steak>>
  /** Of a block of the best chain. */
  rootAt(height: number): Promise<string | undefined>
}

/** Submits what a peer has sent, as anybody's submission. Throws where this node cannot do so at the moment. */
export async function judgeItem(
  { txid, beef: base64, offChainValues }: Item,
  topic: string,
  { submit, rootAt }: JudgeDeps,
): Promise<Judgement> {
  if (base64 === null) return { kind: 'later', reason: 'the peer cannot send it at the moment' }
  const beef = readSubmittedBeef(Uint8Array.from(Buffer.from(base64, 'base64')))
  if (!beef.ok) return { kind: 'refused', reason: beef.fault.detail }
  if (beef.value.subject.txid !== txid)
    return { kind: 'refused', reason: `the peer has sent ${beef.value.subject.txid} in its place` }
  const height = await findUnknownBlock(beef.value, rootAt)
  if (height !== undefined)
    return {
      kind: 'later',
      reason: `it rests on another block at height ${height} than this node has, if any`,
    }
  try {
    const steak = await submit({
      beef: beef.value,
      topics: [topic],
      ...(offChainValues !== undefined && {
        offChainValues: Uint8Array.from(Buffer.from(offChainValues, 'base64')),
      }),
    })
    if (steak.ok) return { kind: saysAnything(steak.value) ? 'new' : 'not-admitted' }
    return { kind: 'refused', reason: steak.fault.detail }
  } catch (error) {
    if (isConnectionLoss(error) || isOutOfTime(error)) throw error
    // Others were faster time and again; or it has met a mistake of ours, which must not keep the rest waiting.
    const reason =
      error instanceof OvertakenError ? error.message : `it could not be judged: ${String(error)}`
    return { kind: 'later', reason }
  }
}

/** One that this node has not heard of yet, or that is gone; then the peer will have another proof soon. */
async function findUnknownBlock(
  { transactions }: Beef,
  rootAt: JudgeDeps['rootAt'],
): Promise<number | undefined> {
  for (const { proof } of transactions)
    if (proof !== undefined && (await rootAt(proof.height)) !== proof.root) return proof.height
  return undefined
}

function saysAnything(steak: Steak): boolean {
  return Object.values(steak).some(
    ({ outputsToAdmit, coinsToRetain, coinsRemoved }) =>
      outputsToAdmit.length + coinsToRetain.length + coinsRemoved.length > 0,
  )
}

/** Which of these have an answer of this topic that stands. */
export async function readAnswered(
  db: Queryable,
  topic: string,
  txids: readonly string[],
): Promise<Set<string>> {
  const { rows } = await db.query<{ txid: string }>({
    name: 'sync-answered',
    text: `select encode(txid, 'hex') as txid from applied where txid = any ($1) and topic = $2
      and cardinality(admitted) + cardinality(removed) > 0`,
    values: [byteas(txids), topic],
  })
  return new Set(rows.map(({ txid }) => txid))
}
