import * as z from 'zod'
import { audiences } from '../audience.ts'
import { isObject, type Json } from '../canonical-json.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'
import { type Level, levels, quorums } from '../level.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { readPolicySet } from '../policy/read-policy-set.ts'
import { unregistrable } from '../policy/unregistrable.ts'
import { anyJson, closed, identityKey, path } from '../schema.ts'
import { SEARCH_FIELDS_MAX, SEARCH_TEXTS_MAX } from '../search/search-terms.ts'
import { distinct, dottedNames, durationMs, limits, name, plainText, readMembers } from './members.ts'
import { latenessMsDefault, type Stream } from './stream.ts'

/** What is registered of a stream; without a policy of its own it has the node's. */
export type StreamInput = Omit<Stream, 'policy' | 'policyDigest' | 'policyNo' | 'blindKey'> & {
  readonly policy?: PolicySet
}

const SHARDS_MAX = 65_536
const KEYS_MAX = 1024
const TAGS_MAX = 256
const WINDOW_MS_MIN = 1_000
const WINDOW_MS_MAX = 366 * 24 * 3_600_000
const ROLLUP_WINDOWS_MAX = 256
const LATENESS_MS_MAX = 7 * 24 * 3_600_000

/** Only `streamId` has to be there; one that names no level gets `level`. Reading what this answers again changes nothing. */
export function readStream(json: Json, level: Level = 'enhanced'): Outcome<StreamInput> {
  const read = readMembers(members, json)
  if (!read.ok) return read
  const { policy: written, ...named } = read.value
  const stream = { ...named, level: named.level ?? level }
  const unfit = audienceUnfit(stream) ?? rosterUnfit(stream)
  if (unfit !== undefined) return unfit
  if (written === undefined) return accepted(stream)
  const policy = readPolicy(written, stream)
  return policy.ok ? accepted({ ...stream, policy: policy.value }) : policy
}

const columnPath = path.refine(pointer => !pointer.includes('\0'), 'a path without the character U+0000')

const members = closed({
  streamId: name,
  audience: z.enum(audiences).default('public'),
  level: z.literal(levels).exactOptional(),
  shards: closed({ by: z.enum(['key', 'event-id']), count: z.int().min(1).max(SHARDS_MAX) }).default({
    by: 'key',
    count: 1,
  }),
  domain: name.default('general'),
  partitionKey: columnPath.exactOptional(),
  policy: anyJson.exactOptional(),
  operators: distinct(identityKey, KEYS_MAX).default([]),
  topics: dottedNames,
  tenantId: name.exactOptional(),
  ownerKey: identityKey.exactOptional(),
  openTags: distinct(plainText(64), TAGS_MAX).default([]),
  latenessMs: durationMs.max(LATENESS_MS_MAX).default(latenessMsDefault),
  published: z.boolean().default(true),
  limits,
  readers: distinct(identityKey, KEYS_MAX).default([]),
  aggregate: closed({
    windowMs: durationMs.min(WINDOW_MS_MIN).max(WINDOW_MS_MAX),
    rollupEvery: z.int().min(2).max(ROLLUP_WINDOWS_MAX).exactOptional(),
  }).exactOptional(),
  search: closed({
    fields: searchPaths(SEARCH_FIELDS_MAX).exactOptional(),
    text: searchPaths(SEARCH_TEXTS_MAX).exactOptional(),
  }).exactOptional(),
})

/** In one order, each once. */
function searchPaths(itemsMax: number) {
  return z
    .array(columnPath)
    .min(1)
    .max(itemsMax, `more than ${itemsMax} paths`)
    .transform((items): readonly string[] => [...new Set(items)].sort())
}

type Read = Omit<z.output<typeof members>, 'policy' | 'level'> & { readonly level: Level }

function audienceUnfit({ audience, readers }: Read): Refusal | undefined {
  if (audience === 'restricted' || readers.length === 0) return undefined
  return refused(
    'registration-invalid',
    'a public stream is read by everybody; leave out its readers, or say "audience": "restricted"',
    '/readers',
  )
}

function rosterUnfit({ level, operators }: Read): Refusal | undefined {
  const { seats } = quorums[level]
  if (operators.length === 0 || operators.length >= seats) return undefined
  return refused(
    'registration-invalid',
    `level ${level} asks ${seats} operators, and ${operators.length} are named; name more, or none for those of the node`,
    '/operators',
  )
}

function readPolicy(written: Json, stream: Read): Outcome<PolicySet> {
  const unkept = unregistrable(written)
  if (unkept !== undefined) return inPolicy(unkept)
  const set = readPolicySet(withClass(written, stream))
  if (!set.ok) return inPolicy(set)
  const unfit = policyUnfit(set.value, stream)
  return unfit === undefined ? set : inPolicy(unfit)
}

/** A class that is left out is the audience's: public data by default is what a restricted stream must not say. */
function withClass(written: Json, { audience }: Pick<Read, 'audience'>): Json {
  if (audience === 'public' || !isObject(written) || Object.hasOwn(written, 'classification')) return written
  return { ...written, classification: 'restricted' }
}

/** Why a stream cannot have this policy, with a pointer into the policy. */
export function policyUnfit(
  set: PolicySet,
  { audience, shards }: Pick<Stream, 'audience' | 'shards'>,
): Refusal | undefined {
  if ((audience === 'public') !== (set.classification === 'public'))
    return refused(
      'registration-invalid',
      `manifests of this stream would say "${set.classification}", and its audience is ${audience}; change one of the two`,
      '/classification',
    )
  if (shards.by === 'event-id' && shards.count > 1 && remembers(set))
    return refused(
      'registration-invalid',
      'fusion, and rules that compare an event with earlier ones, see one shard only; shard by key, or leave them out',
      set.fusion === undefined ? '/rules' : '/fusion',
    )
  return undefined
}

const historyRules: ReadonlySet<string> = new Set(['monotonic', 'rate', 'z-score', 'mad', 'divergence'])

function remembers(set: PolicySet): boolean {
  const rules = [set, ...Object.values(set.sources)].flatMap(({ rules = [] }) => rules)
  return set.fusion !== undefined || rules.some(({ kind }) => historyRules.has(kind))
}

function inPolicy({ fault }: Refusal): Refusal {
  return refused(fault.code, fault.detail, `/policy${fault.pointer ?? ''}`)
}
