import * as z from 'zod'
import { isObject, type Json, type JsonObject } from '../../core/canonical-json.ts'
import { NAME_CHARS_MAX } from '../../core/event/read-envelope.ts'
import { cidr } from '../../core/registry/cidr.ts'
import { distinct, plainText } from '../../core/registry/members.ts'
import { ALLOWLIST_MAX } from '../../core/registry/read-source.ts'
import { anyJson, closed, identityKey } from '../../core/schema.ts'
import { quarantineReasons } from '../../ingest/arrived.ts'
import { heldStates } from '../../ingest/release.ts'
import { WHY_CHARS_MAX } from '../quarantine-requests.ts'
import { digits, givenName, PAGE_LIMIT_MAX, pageLimit } from '../read/query-members.ts'

/* What the routes of publishers are asked, read strictly. What a feed or a stream may be, its own reader says. */

const OVERLAP_SECONDS_MAX = 30 * 86_400
const URL_CHARS_MAX = 2_048
/** Of one dry run. */
const SAMPLES_MAX = 100
const RECENT_MAX = 50

const number = z.int().min(1).max(2_147_483_647)

/** For people; the id is made from it. */
export const newName = plainText(NAME_CHARS_MAX)

export const listQuery = z.strictObject({
  after: givenName.default(''),
  limit: pageLimit(PAGE_LIMIT_MAX),
})
export const rotateRequest = closed({
  feedId: givenName,
  overlapSeconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).exactOptional(),
})
export const keysQuery = z.strictObject({ feedId: givenName.exactOptional() })
export const keyNumber = digits(2_147_483_647)
export const allowlistRequest = closed({ allowlist: distinct(cidr, ALLOWLIST_MAX) })
export const policyRequest = closed({ policy: anyJson })
export const rollbackRequest = closed({ to: number })
export const dryRunRequest = closed({
  policy: anyJson,
  feedId: givenName.exactOptional(),
  samples: z.array(anyJson).min(1).max(SAMPLES_MAX, `more than ${SAMPLES_MAX} samples`).exactOptional(),
  recent: z.int().min(1).max(RECENT_MAX).exactOptional(),
})
export const versionsQuery = z.strictObject({
  before: digits(2_147_483_647).default(2_147_483_647),
  limit: pageLimit(PAGE_LIMIT_MAX),
})
export const diffQuery = z.strictObject({ from: digits(2_147_483_647), to: digits(2_147_483_647) })
export const auditQuery = z.strictObject({
  feedId: givenName.exactOptional(),
  streamId: givenName.exactOptional(),
  before: z
    .string()
    .regex(/^\d{1,18}$/, 'not the nextBefore of a page')
    .exactOptional(),
  limit: pageLimit(PAGE_LIMIT_MAX),
})
export const ownQuarantineQuery = z
  .strictObject({
    feedId: givenName.exactOptional(),
    streamId: givenName.exactOptional(),
    reason: z.enum(quarantineReasons, `none of ${quarantineReasons.join(', ')}`).exactOptional(),
    state: z.enum(heldStates, `none of ${heldStates.join(', ')}`).exactOptional(),
    before: digits(Number.MAX_SAFE_INTEGER).exactOptional(),
    limit: pageLimit(PAGE_LIMIT_MAX),
  })
  .refine(({ feedId, streamId }) => feedId === undefined || streamId === undefined, {
    path: ['streamId'],
    message: 'feedId is there, too; name one of the two',
  })
export const ownReleaseRequest = closed({
  edit: z
    .custom<JsonObject>(value => isObject(value as Json), 'not an object of members to change (RFC 7396)')
    .exactOptional(),
  streamId: givenName.exactOptional(),
  override: z.boolean().default(false),
})
export const ownWaiveRequest = closed({
  why: z.string().trim().min(1).max(WHY_CHARS_MAX, `more than ${WHY_CHARS_MAX} characters`),
})
export const producerRequest = closed({
  name: newName,
  website: z
    .url({ protocol: /^https?$/, error: 'not an address that begins with https:// or http://' })
    .max(URL_CHARS_MAX, `more than ${URL_CHARS_MAX} characters`)
    .exactOptional(),
  identityKey,
})
