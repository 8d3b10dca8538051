import type { TokenOf } from '../contract/tokens.ts'
import { fromUtf8 } from '../core/bytes.ts'
import { canonicalJson, type Json, parseJson } from '../core/canonical-json.ts'
import { readSubmission, type Shape } from '../core/event/adapters/recognize.ts'
import { ORIGIN_SIGNATURE_CHARS_MAX } from '../core/event/read-envelope.ts'
import type { Submission } from '../core/event/submission.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import type { Outpoint } from '../core/rounds/pipeline.ts'
import type { ReceivedItem } from './arrived.ts'

/** A batch as its token names it, with the signature that its publisher put under it. */
export type SubmittedBatch = Outpoint & {
  readonly token: TokenOf<'GDE1'>
  /** DER, in hex. */
  readonly signature: string
}

/** Some of a batch's lines, in order: what goes into the log in one step. */
export type BatchPart = { readonly items: readonly ReceivedItem[]; readonly bytes: number }

export type PartBounds = { readonly eventsMax: number; readonly charsMax: number }

/** What the door of overlay batches is called in the events that come through it. */
export const overlayConnector = { connectorId: 'overlay', connectorVersion: '1.0.0' }

export const PART_EVENTS_MAX = 1000
export const PART_CHARS_MAX = 4 * 1024 * 1024

/** Called between steps: a promise where others go first. */
type Rest = () => Promise<void> | undefined

/** The lines of a batch whose bytes are those that it names; refused whole where they are no batch of so many events. */
export async function linesOf(
  { token }: SubmittedBatch,
  bytes: Uint8Array,
  rest?: Rest,
): Promise<Outcome<readonly string[]>> {
  const text = fromUtf8(bytes)
  if (text === undefined) return refused('event-unreadable', 'the batch is not UTF-8')
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  const { count } = token.body
  if (lines.length !== count)
    return refused('event-unreadable', `the batch has ${lines.length} lines, and its token says ${count}`)
  for (const [i, line] of lines.entries()) {
    const json = parseJson(line)
    if (!json.ok) return refused(json.fault.code, `line ${i + 1} of the batch: ${json.fault.detail}`)
    const turn = rest?.()
    if (turn !== undefined) await turn
  }
  return accepted(lines)
}

/** As many of its lines from this one on as fit, and at least one. Each is read when it is its turn. */
export function partFrom(
  from: number,
  lines: readonly string[],
  { batch, shape, bounds }: { batch: SubmittedBatch; shape: Shape | undefined; bounds: PartBounds },
): BatchPart {
  const { eventsMax, charsMax } = bounds
  const signature = originSignatureOf(batch)
  const items: ReceivedItem[] = []
  let chars = 0
  for (const line of lines.slice(from, from + Math.max(1, eventsMax))) {
    const grown = chars + line.length + 1
    if (items.length > 0 && grown > charsMax) break
    const read = () => ({ submission: signedBy(readLine(line, shape), signature), flags: 0 })
    items.push({ bytes: line.length, read })
    chars = grown
  }
  return { items, bytes: chars }
}

function readLine(line: string, shape: Shape | undefined): Outcome<Submission> {
  const json = parseJson(line)
  return json.ok ? readSubmission(json.value, shape) : json
}

const scheme = 'gitdata event batch'

type OriginSignature = { readonly [member: string]: Json }

/** Says which token to fetch and verify; the batch that it signs is found by its subject. */
function originSignatureOf({ txid, vout, token, signature }: SubmittedBatch): OriginSignature {
  return { scheme, txid, vout, issuer: token.issuer, subject: token.subject, signature }
}

/** What an event brought along itself stays in it, beside the signature under its batch. */
function signedBy(submission: Outcome<Submission>, signature: OriginSignature): Outcome<Submission> {
  if (!submission.ok) return submission
  const { carried } = submission.value
  const own = carried.originSignature
  const originSignature = own === undefined ? signature : { ...signature, claimed: own }
  if (own !== undefined && canonicalJson(originSignature).length > ORIGIN_SIGNATURE_CHARS_MAX)
    return refused(
      'event-unreadable',
      `with the signature under its batch, originSignature has more than ${ORIGIN_SIGNATURE_CHARS_MAX} characters; shorten the event's own`,
      '/originSignature',
    )
  return accepted({ ...submission.value, carried: { ...carried, originSignature } })
}
