import * as z from 'zod'
import type { JsonObject } from '../core/canonical-json.ts'
import { quarantineReasons } from '../ingest/arrived.ts'
import { heldStates } from '../ingest/release.ts'
import { PAGE_LIMIT_MAX } from './admin-requests.ts'
import { storedText } from './stored-text.ts'

/* What the routes of quarantine are asked, read strictly. */

const NAME_CHARS_MAX = 256
export const WHY_CHARS_MAX = 1000

const digits = (max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'not a whole number')
    .transform(Number)
    .pipe(z.int().min(0).max(max))
const name = storedText(NAME_CHARS_MAX).min(1)
const timeMs = digits(Number.MAX_SAFE_INTEGER)
export const quarantineId = digits(Number.MAX_SAFE_INTEGER)

export const listRequest = z
  .strictObject({
    source: name.optional(),
    stream: name.optional(),
    tenant: name.optional(),
    reason: z.enum(quarantineReasons).optional(),
    state: z.enum(heldStates).optional(),
    fromMs: timeMs.optional(),
    untilMs: timeMs.optional(),
    below: quarantineId.optional(),
    limit: digits(PAGE_LIMIT_MAX).pipe(z.int().min(1)).default(50),
  })
  .transform(({ source, stream, tenant, reason, state, fromMs, untilMs, ...page }) => ({
    filter: { sourceId: source, streamId: stream, tenantId: tenant, reason, state, fromMs, untilMs },
    page,
  }))

export const releaseRequest = z.strictObject({
  override: z.boolean().default(false),
  streamId: name.optional(),
  edit: z
    .custom<JsonObject>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      'not an object',
    )
    .optional(),
})

export const waiveRequest = z.strictObject({ why: z.string().trim().min(1).max(WHY_CHARS_MAX) })
