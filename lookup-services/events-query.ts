import * as z from 'zod'
import { closed } from '../src/core/schema.ts'
import { cursor } from './cursor.ts'
import type { EventsQuery } from './events-index.ts'
import { hash, name, order, publicKey, readQuery, timeMs } from './query-members.ts'

export const EVENTS_LOOKUP_LIMIT_DEFAULT = 50
export const EVENTS_LOOKUP_LIMIT_MAX = 500

/** What somebody asks, or InvalidQuery with the member that is wrong. */
export function readEventsQuery(service: string, query: unknown): EventsQuery {
  const asked = readQuery(service, shape, query, filters)
  const {
    findAll: _,
    cursor: after,
    limit = EVENTS_LOOKUP_LIMIT_DEFAULT,
    order = 'desc',
    ...narrowing
  } = asked
  return { ...narrowing, limit, order, after }
}

const shape = closed({
  findAll: z.literal(true).optional(),
  publisher: publicKey.optional(),
  streamId: name.optional(),
  sourceId: name.optional(),
  subject: hash.optional(),
  txid: hash.optional(),
  admittedFromMs: timeMs.optional(),
  admittedToMs: timeMs.optional(),
  spent: z.boolean().optional(),
  limit: z.int().min(1).max(EVENTS_LOOKUP_LIMIT_MAX).optional(),
  order: order.optional(),
  cursor: cursor.optional(),
})

const filters = [
  'publisher',
  'streamId',
  'sourceId',
  'subject',
  'txid',
  'admittedFromMs',
  'admittedToMs',
  'spent',
] as const
