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

/** Where a part ends depends on the batch alone, so that whoever begins again makes the same parts. */
export const PART_EVENTS_MAX = 1000
export const PART_CHARS_MAX = 4 * 1024 * 1024

/** The parts of a batch whose bytes are those that it names; refused whole where they are no batch of so many events. */
export function partsOf(
  batch: SubmittedBatch,
  bytes: Uint8Array,
  shape: Shape | undefined,
): Outcome<readonly BatchPart[]> {
  const text = fromUtf8(bytes)
  if (text === undefined) return refused('event-unreadable', 'the batch is not UTF-8')
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  const { count } = batch.token.body
  if (lines.length !== count)
    return refused('event-unreadable', `the batch has ${lines.length} lines, and its token says ${count}`)

  const signature = originSignatureOf(batch)
  const parts: BatchPart[] = []
  let items: ReceivedItem[] = []
  let chars = 0
  const endPart = () => {
    parts.push({ items, bytes: chars })
    items = []
    chars = 0
  }
  for (const [i, line] of lines.entries()) {
    const json = parseJson(line)
    if (!json.ok) return refused(json.fault.code, `line ${i + 1} of the batch: ${json.fault.detail}`)
    const isFull = items.length === PART_EVENTS_MAX || chars + line.length > PART_CHARS_MAX
    if (isFull && items.length > 0) endPart()
    items.push({ submission: signedBy(readSubmission(json.value, shape), signature), flags: 0 })
    chars += line.length + 1
  }
  endPart()
  return accepted(parts)
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
