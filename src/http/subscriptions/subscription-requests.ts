import * as z from 'zod'
import { canonicalize, type Json } from '../../core/canonical-json.ts'
import { zeroCharacterIn } from '../../core/zero-character.ts'
import { LIST_ITEMS_MAX } from '../../serve/live/live-filter.ts'
import { RESUME_TOKEN_CHARS_MAX } from '../../serve/live/resume-token.ts'
import { subscriptionStatuses } from '../../serve/subscriptions/subscription.ts'
import {
  digits,
  givenName,
  identityKey,
  levelName,
  PAGE_LIMIT_MAX,
  pageLimit,
} from '../read/query-members.ts'
import { storedText } from '../stored-text.ts'

/* What the routes of subscriptions are asked, read strictly. */

const OVERLAP_SECONDS_MAX = 30 * 86_400
const URL_CHARS_MAX = 2_048

const names = z.array(givenName).max(LIST_ITEMS_MAX)
const criteria = z.strictObject({
  streams: names.optional(),
  sourceIds: names.optional(),
  types: names.optional(),
  minCertificationLevel: levelName.optional(),
  where: z
    .custom<Json>(value => typeof value === 'object' && value !== null, 'not a predicate')
    .refine(
      value => canonicalize(value).ok && zeroCharacterIn(value) === undefined,
      'it holds what cannot be stored',
    )
    .optional(),
  split: z.string().max(16).optional(),
  includeProcessingEvidence: z.boolean().optional(),
})
const time = z.iso
  .datetime({ offset: true, error: 'not a time like 2030-01-01T00:00:00Z' })
  .transform(text => Date.parse(text))
const from = z.string().min(1).max(RESUME_TOKEN_CHARS_MAX)
const callbackUrl = z.string().min(1).max(URL_CHARS_MAX)
const batchMax = (max: number) => z.int().min(1).max(max)

export function subscriptionRequests(batchEventsMax: number) {
  return {
    create: z.strictObject({
      // Overlay is refused with where to go instead.
      type: z.enum(['sse', 'websocket', 'webhook', 'overlay']),
      clientId: givenName.optional(),
      topics: names.default([]),
      filter: criteria.default({}),
      callbackUrl: callbackUrl.optional(),
      batchMax: batchMax(batchEventsMax).optional(),
      expiresAt: time.nullable().default(null),
      from: from.default('latest'),
    }),
    change: z.strictObject({
      clientId: givenName.optional(),
      status: z.enum(['active', 'paused']).optional(),
      topics: names.optional(),
      filter: criteria.optional(),
      callbackUrl: callbackUrl.optional(),
      batchMax: batchMax(batchEventsMax).optional(),
      expiresAt: time.nullable().optional(),
    }),
  }
}

export const positionRequest = z.strictObject({ from })
export const rotateRequest = z.strictObject({
  overlapSeconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).optional(),
})
export const listQuery = z.strictObject({
  owner: z.union([identityKey, z.literal('any')]).optional(),
  clientId: givenName.optional(),
  status: z.enum(subscriptionStatuses).optional(),
  after: storedText(64).optional(),
  limit: pageLimit(PAGE_LIMIT_MAX),
})
export const lettersQuery = z.strictObject({
  after: digits(Number.MAX_SAFE_INTEGER).default(0),
  limit: pageLimit(PAGE_LIMIT_MAX),
})
export const letterNumber = digits(Number.MAX_SAFE_INTEGER)
