import { operatorWord, readToken } from '../../contract/tokens.ts'
import { outpointText, readTransaction } from '../../contract/transaction.ts'
import type { Upload } from '../../contract/work.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { seatHolder } from './holder.ts'

/**
 * Whether this agent holds the seat at this outpoint, and may store so much for it; and whose job it is: the one who may
 * read what it uploads.
 */
export type MayUpload = (agentKey: string, upload: Upload) => Promise<Outcome<Seat>>
export type Seat = {
  readonly coordinator: string
  readonly outputBytesMax: number
  /** It has another object already. */
  readonly isTaken: boolean
}

export type SeatsHere = {
  readonly db: Queryable
  /** Other logs whose agents may store their work here; jobs cost little, so anybody's are not enough. */
  readonly coordinators: readonly string[]
  /** What the agents of one of those may keep stored here, all together. */
  readonly quotaBytes: number
  now(): number
}

/** So long after its job's deadline work may still come: a late answer is looked at, too. */
export const UPLOAD_GRACE_MS = 3_600_000

/**
 * Judged by what a topic of this node has admitted. That a seat is spent does not end it: an agent that was interrupted
 * sends again what it has sent, and a seat never holds more than one object.
 */
export function seatInOverlay({ db, coordinators, quotaBytes, now }: SeatsHere): MayUpload {
  return async (agentKey, { jobOutpoint, sha256, length }) => {
    const outpoint = outpointText(jobOutpoint)
    const { rows } = await db.query<{ raw: Buffer; isOurs: boolean; isTaken: boolean }>({
      name: 'uhrp-seat',
      text: `select raw, exists (select from round_seats where job_tx = decode($1, 'hex') and vout = $2) as "isOurs",
          exists (select from uhrp_retentions where holder = $3 and sha256 <> decode($4, 'hex')) as "isTaken"
        from transactions where txid = decode($1, 'hex')
        and exists (select from outputs where txid = decode($1, 'hex') and vout = $2)`,
      values: [jobOutpoint.txid, jobOutpoint.vout, seatHolder(jobOutpoint), sha256],
    })
    const [found] = rows
    const transaction = found && readTransaction(found.raw)
    const output = transaction?.ok ? transaction.value.outputs[jobOutpoint.vout] : undefined
    const token = output && readToken(output.script)
    const job = token?.ok && token.value.tag === 'GDJ1' ? token.value : undefined
    if (
      found === undefined ||
      job === undefined ||
      operatorWord(job.body) === undefined ||
      job.body.agentKey !== agentKey
    )
      return refused(
        'not-admitted',
        `no topic of this node has admitted ${outpoint} as a seat of agent ${agentKey}; submit the job first, or upload to the node of its coordinator`,
      )
    const { issuer: coordinator, body } = job
    if (body.deadlineMs + UPLOAD_GRACE_MS < now())
      return refused(
        'not-admitted',
        `the deadline of ${outpoint} was ${new Date(body.deadlineMs).toISOString()}, and nobody waits for its work any more; leave it`,
      )
    const seat = { coordinator, outputBytesMax: body.outputBytesMax, isTaken: found.isTaken }
    if (found.isOurs) return accepted(seat)
    if (!coordinators.includes(coordinator))
      return refused(
        'not-admitted',
        `${outpoint} is a seat of coordinator ${coordinator}, whose work is not stored here; upload to its own node, or have it listed in EVENT_COORDINATORS`,
      )
    const kept = await keptFor(coordinator, seatHolder(jobOutpoint), db, now())
    if (kept + length > quotaBytes)
      return refused(
        'content-too-large',
        `${quotaBytes} bytes are coordinator ${coordinator}'s here, ${kept} of them are in use, and this object needs ${length}; let others expire first, or upload to its own node`,
      )
    return accepted(seat)
  }
}

/** For its other seats: the same object may come again. */
async function keptFor(coordinator: string, seat: string, db: Queryable, nowMs: number): Promise<number> {
  const { rows } = await db.query<{ bytes: number }>({
    name: 'uhrp-kept-for-coordinator',
    text: `select coalesce(sum(length), 0)::bigint as bytes from uhrp_retentions join uhrp_objects using (sha256)
      where holder like 'seat %' and readers = array[$1::bytea] and holder <> $2 and retain_until_ms > $3`,
    values: [bytea(coordinator), seat, nowMs],
  })
  return rows[0]?.bytes ?? 0
}
