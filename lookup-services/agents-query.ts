import * as z from 'zod'
import { closed } from '../src/core/schema.ts'
import type { AgentsQuery } from './agents-index.ts'
import { cursor } from './cursor.ts'
import { InvalidQuery } from './invalid-query.ts'
import { order, publicKey, readQuery } from './query-members.ts'

export const AGENTS_LOOKUP_LIMIT_DEFAULT = 50
export const AGENTS_LOOKUP_LIMIT_MAX = 500

/** What somebody asks at a time, or InvalidQuery with the member that is wrong. */
export function readAgentsQuery(service: string, query: unknown, nowMs: number): AgentsQuery {
  const asked = readQuery(service, shape, query, filters)
  const { findAll: _, stage, capability = stage, expired, history, cursor: after, ...narrowing } = asked
  if (stage !== undefined && stage !== capability)
    throw new InvalidQuery(service, {
      detail: `"stage" is another word for "capability", and the two differ; send one of them`,
      pointer: '/stage',
    })
  return {
    ...narrowing,
    capability,
    // What expires in this moment has expired: no job can be due before it.
    expiresAfterMs: expired || history ? undefined : nowMs,
    which: history ? 'all' : 'current',
    limit: asked.limit ?? AGENTS_LOOKUP_LIMIT_DEFAULT,
    order: asked.order ?? 'desc',
    after,
  }
}

const filters = [
  'capability',
  'stage',
  'operator',
  'agentKey',
  'region',
  'maxPrice',
  'packets',
  'bytes',
] as const

const word = z.string().regex(/^[a-z]{1,32}$/, 'wanted a stage: 1 to 32 lower-case letters')
const count = z.int().min(0)

const shape = closed({
  findAll: z.literal(true).optional(),
  capability: word.optional(),
  stage: word.optional(),
  operator: publicKey.optional(),
  agentKey: publicKey.optional(),
  region: z
    .string()
    .min(1)
    .max(64)
    .refine(text => !text.includes('\0'), 'no region holds the character U+0000')
    .optional(),
  maxPrice: count.optional(),
  packets: count.optional(),
  bytes: count.optional(),
  expired: z.boolean().optional(),
  history: z.boolean().optional(),
  limit: z.int().min(1).max(AGENTS_LOOKUP_LIMIT_MAX).optional(),
  order: order.optional(),
  cursor: cursor.optional(),
})
