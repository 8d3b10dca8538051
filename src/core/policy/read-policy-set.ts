import * as z from 'zod'
import type { Json } from '../canonical-json.ts'
import { constantMembers } from '../event/line.ts'
import type { Outcome } from '../fault.ts'
import { readFusion } from '../fusion/read-fusion.ts'
import { anyJson, closed, readAs, readBy } from '../schema.ts'
import { dataClasses, LICENSE_DEFAULT, type PolicySet } from './policy-set.ts'
import { ruleList, sourceShape } from './read-source-policy.ts'

export const SOURCES_MAX = 1024
export const STATE_BYTES_MIN = 1024
export const STATE_BYTES_MAX = 64 * 1024 * 1024

/** Any accepted spelling in, the canonical form out; reading that again changes nothing. */
export function readPolicySet(json: Json): Outcome<PolicySet> {
  return readAs(policySetShape, json)
}

const label = z.string().min(1).max(256)
const identityKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'an identity key is 66 lower-case hex digits and begins with 02 or 03')

const policySetShape = closed({
  v: z.literal(1),
  owner: closed({ identityKey, name: label.exactOptional() }).exactOptional(),
  license: label.default(LICENSE_DEFAULT),
  classification: z.enum(dataClasses).default('public'),
  constants: z.array(z.enum(constantMembers)).exactOptional(),
  stateBytesMax: z.int().min(STATE_BYTES_MIN).max(STATE_BYTES_MAX).exactOptional(),
  sources: z
    .record(label, sourceShape)
    .refine(sources => Object.keys(sources).length <= SOURCES_MAX, `more than ${SOURCES_MAX} sources`)
    .default({}),
  rules: ruleList.exactOptional(),
  fusion: anyJson.transform(readBy(json => readFusion(json, ''))).exactOptional(),
}).transform(
  ({ constants = [], rules = [], ...set }): PolicySet => ({
    ...set,
    ...(constants.length > 0 && { constants: [...new Set(constants)].sort() }),
    ...(rules.length > 0 && { rules }),
  }),
)
