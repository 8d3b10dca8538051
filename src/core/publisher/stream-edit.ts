import type { Json, JsonObject } from '../canonical-json.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'
import type { Level } from '../level.ts'
import type { Limits } from '../registry/limits.ts'
import { readStream, type StreamInput } from '../registry/read-stream.ts'
import { limitsAfter } from './ceiling.ts'
import { type EditKind, edited } from './edit.ts'

/** The audience is decided once: another one is refused where the stream is stored. */
const ownMembers = [
  'audience',
  'level',
  'domain',
  'partitionKey',
  'topics',
  'openTags',
  'latenessMs',
  'published',
  'limits',
  'readers',
] as const satisfies readonly (keyof StreamInput)[]
/** Each of them costs the node something for every event or packet, or is somebody else's to give. */
const operatorMembers = [
  'streamId',
  'ownerKey',
  'tenantId',
  'operators',
  'shards',
  'aggregate',
  'search',
] as const satisfies readonly (keyof StreamInput)[]

type Settings = Omit<StreamInput, 'policy'>

/** A stream as its owner wants it, without its policy, which has versions of its own. */
export function editStream(
  before: Settings,
  sent: Json,
  {
    kind,
    ceiling,
    levelByDefault,
  }: {
    readonly kind: EditKind
    readonly ceiling: Limits
    /** Its own where it names none, or takes back the one that it had. */
    readonly levelByDefault: Level
  },
): Outcome<Settings> {
  const document = edited(before as unknown as JsonObject, sent, {
    kind,
    own: ownMembers,
    operators: operatorMembers,
  })
  if (!document.ok) return document
  if (Object.hasOwn(document.value, 'policy')) return policyElsewhere
  const read = readStream(document.value, levelByDefault)
  if (!read.ok) return read
  const limits = limitsAfter(sent, read.value.limits, ceiling)
  return limits.ok ? accepted({ ...read.value, limits: limits.value }) : limits
}

const policyElsewhere: Refusal = refused(
  'registration-invalid',
  'a policy has versions of its own; POST it to the policies of the stream',
  '/policy',
)
