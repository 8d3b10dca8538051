import type { Json, JsonObject } from '../canonical-json.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'
import type { Limits } from '../registry/limits.ts'
import { readSource, type SourceInput } from '../registry/read-source.ts'
import { limitsAfter } from './ceiling.ts'
import { type EditKind, edited } from './edit.ts'

const ownMembers = [
  'name',
  'type',
  'enabled',
  'authentication',
  'allowlist',
  'streams',
  'unknownStream',
  'shape',
  'sourceVersion',
  'eventType',
  'payloadType',
  'dataVersion',
  'time',
  'limits',
  'overlayTopics',
  'policy',
] as const satisfies readonly (keyof SourceInput)[]
const operatorMembers = [
  'sourceId',
  'identityKey',
  'tenantId',
  'trustWeight',
  'trustScore',
] as const satisfies readonly (keyof SourceInput)[]

export type FeedBounds = {
  /** What the operator allows of it. */
  readonly ceiling: Limits
  /** Its publisher may name these. */
  readonly ownStreams: readonly string[]
}

/** A source as its publisher wants it. What operators decide stays as it is. */
export function editFeed(
  before: SourceInput,
  sent: Json,
  kind: EditKind,
  { ceiling, ownStreams }: FeedBounds,
): Outcome<SourceInput> {
  // Its publisher proves that a request is of it, in whichever way: nobody else may write in their name.
  const document = edited(before as unknown as JsonObject, sent, {
    kind,
    own: ownMembers,
    operators: operatorMembers,
  })
  if (!document.ok) return document
  const { authentication = 'hmac', streams = [...before.streams], ...rest } = document.value
  const read = readSource({ ...rest, authentication, streams })
  if (!read.ok) return read
  const unfit = streamsUnfit(read.value, [...ownStreams, ...before.streams]) ?? openUnfit(read.value, before)
  if (unfit !== undefined) return unfit
  const limits = limitsAfter(sent, read.value.limits, ceiling)
  return limits.ok ? accepted({ ...read.value, limits: limits.value }) : limits
}

/** The same words for what is somebody else's and for what is not there. */
function streamsUnfit({ streams }: SourceInput, may: readonly string[]): Refusal | undefined {
  const index = streams.findIndex(streamId => !may.includes(streamId))
  if (index < 0) return undefined
  return refused(
    'registration-invalid',
    'you have no stream of this name; make one with POST /publishers/streams, or name one of yours',
    `/streams/${index}`,
  )
}

/** What an operator has left open stays so until it is closed. */
function openUnfit({ authentication }: SourceInput, before: SourceInput): Refusal | undefined {
  if (authentication !== 'none' || before.authentication === 'none') return undefined
  return refused(
    'registration-invalid',
    'anybody could send as this feed; say hmac, legacy or brc104',
    '/authentication',
  )
}
