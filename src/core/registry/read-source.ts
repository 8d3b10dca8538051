import * as z from 'zod'
import type { Json } from '../canonical-json.ts'
import { adapters, type Shape } from '../event/adapters/recognize.ts'
import { PAYLOAD_TYPE_DEFAULT } from '../event/payload-types.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import type { SourcePolicy } from '../policy/policy-set.ts'
import { readSourcePolicy } from '../policy/read-source-policy.ts'
import { unregistrable } from '../policy/unregistrable.ts'
import { anyJson, closed, identityKey, readBy } from '../schema.ts'
import { cidr } from './cidr.ts'
import { distinct, dottedNames, durationMs, limits, name, readMembers } from './members.ts'
import { type Source, sourceAuthentications, sourceTypes, timePolicyDefault } from './source.ts'

/** What is registered of a source: itself and, where it has one of its own, its policy in each of its streams. */
export type SourceInput = Source & { readonly policy?: SourcePolicy }

export const STREAMS_MAX = 64
export const ALLOWLIST_MAX = 256
const TRUST_WEIGHT_MAX = 1_000_000

/** Only `sourceId` has to be there. Reading what this answers again changes nothing. */
export function readSource(json: Json): Outcome<SourceInput> {
  return readMembers(sourceShape, json)
}

const whatIsOff = z.enum(['flag', 'quarantine'])
const shapes = Object.keys(adapters) as [Shape, ...Shape[]]

const members = closed({
  sourceId: name.refine(id => id !== '*', '"*" stands for every source in a policy; choose another id'),
  name: name.exactOptional(),
  type: z.enum(sourceTypes).default('webhook'),
  enabled: z.boolean().default(true),
  tenantId: name.exactOptional(),
  identityKey: identityKey.exactOptional(),
  authentication: z.enum(sourceAuthentications).default('none'),
  allowlist: distinct(cidr, ALLOWLIST_MAX).default([]),
  streams: z
    .tuple([name], name)
    .refine(streams => streams.length <= STREAMS_MAX, `more than ${STREAMS_MAX} streams`)
    .refine(streams => new Set(streams).size === streams.length, 'a stream is listed twice')
    .exactOptional(),
  unknownStream: z.enum(['refuse', 'quarantine']).default('refuse'),
  shape: z.enum(shapes).exactOptional(),
  sourceVersion: name.default('1'),
  eventType: name.default('event'),
  payloadType: name.default(PAYLOAD_TYPE_DEFAULT),
  dataVersion: name.default('1'),
  time: closed({
    skewMsMax: durationMs.default(timePolicyDefault.skewMsMax),
    onFuture: whatIsOff.default(timePolicyDefault.onFuture),
    staleMsMax: durationMs.exactOptional(),
    onStale: whatIsOff.default(timePolicyDefault.onStale),
  }).default(timePolicyDefault),
  limits,
  overlayTopics: dottedNames,
  trustWeight: z.number().min(0).max(TRUST_WEIGHT_MAX).default(1),
  trustScore: z.int().min(0).max(100).default(50),
  policy: anyJson.transform(readBy(readPolicy)).exactOptional(),
})

const sourceShape = members.transform(readBy(complete))

function complete(given: z.output<typeof members>): Outcome<SourceInput> {
  const { sourceId } = given
  const why = needsKey(given)
  if (why !== undefined && given.identityKey === undefined)
    return refused('registration-invalid', `${why}: name that key here`, '/identityKey')
  return accepted({ name: sourceId, streams: [sourceId], ...given })
}

function needsKey({ type, authentication }: Pick<Source, 'type' | 'authentication'>): string | undefined {
  if (type === 'overlay') return "an overlay source's batches are taken from its identity key alone"
  if (authentication === 'legacy' || authentication === 'brc104')
    return `a source that authenticates by ${authentication} is told by its identity key`
  return undefined
}

function readPolicy(json: Json): Outcome<SourcePolicy> {
  return unregistrable(json) ?? readSourcePolicy(json)
}
