import type { Pool } from 'pg'
import { readEventBatch } from '../../contract/event-batch.ts'
import { baseTopics } from '../../contract/names.ts'
import { readLock } from '../../contract/script.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { toHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import type { SubmittedBatch } from '../../ingest/overlay-batch.ts'
import type { Progress, TakenBatch } from '../../ingest/take-batch.ts'
import { backOff } from '../../runtime/back-off.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea } from '../postgres/sql.ts'

/** A batch that is this process's to take, until its time is up. */
export type ClaimedBatch = {
  readonly publisher: string
  readonly subject: string
  readonly turn: number
  /** This one counted. */
  readonly attempts: number
  /** The latest time at which it was admitted. */
  readonly admittedMs: number
  readonly soFar: Progress
  /** Undefined while its transaction is not listed: the index is being filled again. */
  readonly batch?: SubmittedBatch & { readonly offChainValues?: Uint8Array }
}

/** Longer than fetching and appending take. Whoever comes after it does nothing twice, but for nothing. */
export const CLAIM_MS = 60_000

/** One that is due, and that no other process works on. */
export async function claimBatch(
  pool: Pool,
  nowMs: number,
  claimMs = CLAIM_MS,
): Promise<ClaimedBatch | undefined> {
  const { rows } = await pool.query<ClaimedRow>({
    name: 'claim-overlay-batch',
    text: `with due as (
        select publisher, subject from overlay_batches where state = 'waiting' and standing and due_ms <= $1
          order by due_ms limit 1 for update skip locked),
      claimed as (
        update overlay_batches as batch set due_ms = $2, turn = turn + 1, attempts = attempts + 1
          from due where batch.publisher = due.publisher and batch.subject = due.subject
          returning batch.*)
      select encode(claimed.publisher, 'hex') as publisher, encode(claimed.subject, 'hex') as subject,
          turn, attempts, claimed.admitted_ms as "admittedMs", lines_taken as lines, coalesce(accepted, 0) as accepted,
          coalesce(duplicate, 0) as duplicate, coalesce(quarantined, 0) as quarantined,
          coalesce(rejected, 0) as rejected, encode(listed.txid, 'hex') as txid, listed.vout, raw, bytes
        from claimed
        left join lateral (
          select txid, vout from gitdata_events as event
            where event.publisher = claimed.publisher and event.subject = claimed.subject
            -- Who submits again may have mended what kept it from being taken.
            order by admitted_ms desc, txid, vout limit 1) as listed on true
        left join transactions on transactions.txid = listed.txid
        left join off_chain_values as kept on kept.txid = listed.txid and kept.topic = $3`,
    values: [nowMs, nowMs + claimMs, baseTopics.ingest],
  })
  const [row] = rows
  return row === undefined ? undefined : asClaimed(row)
}

type ClaimedRow = Progress & {
  publisher: string
  subject: string
  turn: number
  attempts: number
  admittedMs: number
  txid: string | null
  vout: number | null
  raw: Buffer | null
  bytes: Buffer | null
}

function asClaimed({ txid, vout, raw, bytes, ...row }: ClaimedRow): ClaimedBatch {
  const { publisher, subject, turn, attempts, admittedMs, ...soFar } = row
  const claim = { publisher, subject, turn, attempts, admittedMs, soFar }
  if (txid === null || vout === null || raw === null) return claim
  const script = orThrow(readTransaction(raw)).outputs[vout]?.script ?? new Uint8Array(0)
  const token = readEventBatch(script)
  const lock = readLock(script)
  const signature = lock?.kind === 'token' ? lock.fields[4] : undefined
  if (token === undefined || signature === undefined)
    throw new Error(`output ${vout} of ${txid} is listed as a batch of events and is none`)
  const batch = { txid, vout, token, signature: toHex(signature) }
  return { ...claim, batch: bytes === null ? batch : { ...batch, offChainValues: bytes } }
}

/** Records how far it is taken. Whoever takes it beside us has the same answers, and has recorded them if we find more. */
export async function noteProgress(
  pool: Pool,
  { publisher, subject }: ClaimedBatch,
  { lines, accepted, duplicate, quarantined, rejected }: Progress,
): Promise<void> {
  await pool.query({
    name: 'note-progress-of-overlay-batch',
    text: `update overlay_batches
      set lines_taken = $3, accepted = $4, duplicate = $5, quarantined = $6, rejected = $7
      where publisher = $1 and subject = $2 and lines_taken < $3`,
    values: [bytea(publisher), bytea(subject), lines, accepted, duplicate, quarantined, rejected],
  })
}

/** Records what became of it, unless somebody else has taken over meanwhile, and who did says so. */
export async function settleBatch(
  pool: Pool,
  { publisher, subject, turn, attempts, admittedMs }: ClaimedBatch,
  outcome: TakenBatch,
  nowMs: number,
): Promise<void> {
  const where = [bytea(publisher), bytea(subject), turn]
  if (outcome.kind === 'later') {
    const { detail, ours, afterMs = backOff(attempts) } = outcome
    await pool.query({
      name: 'put-off-overlay-batch',
      text: `update overlay_batches set due_ms = $4, trouble = $5, attempts = attempts - $6
        where publisher = $1 and subject = $2 and turn = $3`,
      values: [...where, nowMs + afterMs, keptText(detail), ours ? 1 : 0],
    })
    return
  }
  await pool.query({
    name: 'settle-overlay-batch',
    // Submitted again meanwhile, it has another try, at once.
    text: `update overlay_batches set trouble = $5, settled_ms = $6, due_ms = $6,
        state = case when $4 <> 'taken' and admitted_ms > $7 then 'waiting' else $4 end
      where publisher = $1 and subject = $2 and turn = $3`,
    values: [
      ...where,
      ...[outcome.kind, outcome.kind === 'taken' ? null : keptText(outcome.detail)],
      ...[nowMs, admittedMs],
    ],
  })
}
