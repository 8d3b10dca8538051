import * as z from 'zod'
import { concatAll, knownHex, toHex } from '../core/bytes.ts'
import { levels, quorums } from '../core/level.ts'
import { resultStatuses } from '../core/rounds/pipeline.ts'
import { ROUND_PACKETS_MAX } from '../core/rounds/round.ts'
import { type BodyCodec, bodyCodec, bytes, hexBytes, uint } from './body.ts'
import { DER_BYTES_MAX, DER_BYTES_MIN } from './der.ts'
import { OUTPOINT_BYTES, outpointBytes, outpointOf } from './transaction.ts'

/*
 * What each token says. The order of the members is the numbering of the CBOR map: a member is never moved or
 * taken out, a new one goes last and is optional, and anything else is a new tag.
 */

export const TOKEN_URLS_MAX = 8
export const TOKEN_URL_CHARS_MAX = 512
/** Of the level that asks most operators; a job has one token more, its thread. */
export const SEATS_MAX = Math.max(...Object.values(quorums).map(({ seats }) => seats))
export const EVENTS_INLINE_BYTES_MAX = 64 * 1024

const key = hexBytes(33)
const hash = hexBytes(32)
const signature = bytes(DER_BYTES_MIN, DER_BYTES_MAX)
const word = z.string().regex(/^[a-z]{1,32}$/, 'not a word of 1 to 32 lower-case letters')
// Of all Unicode this one character no database can hold as text, and a name must not stop what writes it down.
const name = z.string().min(1).max(256).refine(hasNoNull, 'a name with the character U+0000')
const url = z
  .string()
  .max(TOKEN_URL_CHARS_MAX)
  .regex(/^[!-~]+$/, 'not a URL in visible ASCII')
const urls = z.array(url).max(TOKEN_URLS_MAX)
const milliseconds = uint()
const member = uint(ROUND_PACKETS_MAX - 1)

const jobFacts = {
  template: word,
  stage: word,
  level: z.enum(levels),
  members: z.array(member).min(1).max(ROUND_PACKETS_MAX).refine(isAscending, 'not in ascending order'),
  inputRoot: hash,
  inputHash: hash,
  deadlineMs: milliseconds,
  outputBytesMax: uint(),
}

/** Who answers for an agent, and from when to when. */
const operator = {
  operator: key,
  operatorSig: signature,
  operatorFromMs: milliseconds,
  operatorToMs: milliseconds,
}

const job = {
  ...jobFacts,
  /** The seat's agent; on the thread, the issuer. */
  agentKey: key,
  /** On every seat, not on the thread. */
  ...z.object(operator).partial().shape,
  /** Where the round document, its packets and states can be fetched. */
  locations: urls,
  /** Of a job that begins a round: its inputs, and so no other transaction than this one. */
  fuelHash: hash.optional(),
}
export const jobBody = bodyCodec(
  job,
  z
    .strictObject(job)
    .refine(
      ({ operator, operatorSig, operatorFromMs, operatorToMs }) =>
        allOrNone([operator, operatorSig, operatorFromMs, operatorToMs]),
      'some of the operator members are there and some are not',
    ),
)

const leafList = bytes(32, 32 * ROUND_PACKETS_MAX).refine(
  flat => flat.length % 32 === 0,
  'not 32 bytes per leaf',
)
const leaves = z.codec(leafList, z.array(z.string()), {
  decode: flat => Array.from({ length: flat.length / 32 }, (_, i) => toHex(flat.slice(32 * i, 32 * i + 32))),
  encode: list => concatAll(list.map(knownHex)),
})
const outpoint = z.codec(
  bytes(OUTPOINT_BYTES, OUTPOINT_BYTES),
  z.object({ txid: z.string(), vout: z.number() }),
  {
    decode: outpointOf,
    encode: outpointBytes,
  },
)
const result = {
  ...jobFacts,
  /** Issuer of the job: without it nobody could tell whom the result is locked to. */
  coordinator: key,
  jobOutpoint: outpoint,
  status: z.enum(resultStatuses),
  /** One per member, in their order; zeros: no answer. */
  leaves,
  workHash: hash,
  evidenceHash: hash,
}
export const resultBody = bodyCodec(
  result,
  z
    .strictObject(result)
    .refine(body => body.leaves.length === body.members.length, 'not one leaf per member'),
)

const certificate = {
  roundId: hash,
  index: member,
  template: word,
  level: z.enum(levels),
  packetId: hash,
  supersedes: hash.optional(),
}
export const certificateBody = bodyCodec(certificate, z.strictObject(certificate))

const advert = {
  /** Stages it works at. */
  capabilities: z.array(word).min(1).max(16),
  ...operator,
  endpoints: urls.min(1),
  /** Largest round it takes. */
  packetsMax: uint(ROUND_PACKETS_MAX).min(1),
  bytesMax: uint().min(1),
  satoshisPerThousandEvents: uint(),
  region: z.string().min(1).max(64).refine(hasNoNull, 'a region with the character U+0000').optional(),
  expiresMs: milliseconds,
}
export const advertBody = bodyCodec(advert, z.strictObject(advert))

const events = {
  streamId: name,
  sourceId: name,
  count: uint().min(1),
  /** NDJSON. Neither this nor a URL: the bytes travel as off-chain values. */
  bytes: bytes(1, EVENTS_INLINE_BYTES_MAX).optional(),
  url: url.optional(),
}
export const eventsMembers = z
  .strictObject(events)
  .refine(
    body => body.bytes === undefined || body.url === undefined,
    'the events are both inline and behind a URL',
  )
export const eventsBody = bodyCodec(events, eventsMembers)

export type TokenBodies = {
  readonly GDE1: Decoded<typeof eventsBody>
  readonly GDJ1: Decoded<typeof jobBody>
  readonly GDR1: Decoded<typeof resultBody>
  readonly GDC1: Decoded<typeof certificateBody>
  readonly GDA1: Decoded<typeof advertBody>
}
type Decoded<Codec> = Codec extends BodyCodec<infer Body> ? Body : never

function hasNoNull(text: string): boolean {
  return !text.includes('\0')
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0))
}

function allOrNone(values: readonly unknown[]): boolean {
  return values.every(value => value === undefined) || values.every(value => value !== undefined)
}
