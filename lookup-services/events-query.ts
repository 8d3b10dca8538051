import * as z from 'zod'
import { concat, fromHex, knownHex, toHex, u32be, u64be } from '../src/core/bytes.ts'
import { bySchema, closed } from '../src/core/schema.ts'
import type { EventsQuery, ListPosition } from './events-index.ts'
import { InvalidQuery } from './invalid-query.ts'

export const EVENTS_LOOKUP_LIMIT_DEFAULT = 50
export const EVENTS_LOOKUP_LIMIT_MAX = 500

/** What somebody asks, or InvalidQuery with the member that is wrong. */
export function readEventsQuery(service: string, query: unknown): EventsQuery {
  const read = bySchema(shape, query === 'findAll' ? { findAll: true } : query, 'message-invalid')
  if (!read.ok) throw new InvalidQuery(service, read.fault)
  const { findAll, cursor, limit, order, ...filters } = read.value
  const [filter] = Object.entries(filters).find(([, value]) => value !== undefined) ?? []
  if (findAll && filter !== undefined)
    throw new InvalidQuery(service, {
      detail: `"findAll" asks for everything and "${filter}" for some of it; send one of the two`,
      pointer: `/${filter}`,
    })
  return {
    ...filters,
    limit: limit ?? EVENTS_LOOKUP_LIMIT_DEFAULT,
    order: order ?? 'desc',
    after: cursor,
  }
}

/** A position as its reader sends it back: time, txid and vout as hex. */
export function cursorOf({ admittedMs, txid, vout }: ListPosition): string {
  return toHex(concat(u64be(admittedMs), knownHex(txid), u32be(vout)))
}

function positionOf(cursor: string): ListPosition | undefined {
  const bytes = fromHex(cursor)
  if (bytes?.length !== CURSOR_BYTES) return undefined
  const view = new DataView(bytes.buffer)
  const admittedMs = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4)
  if (!Number.isSafeInteger(admittedMs)) return undefined
  return { admittedMs, txid: toHex(bytes.subarray(8, 40)), vout: view.getUint32(40) }
}

const CURSOR_BYTES = 8 + 32 + 4

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 32 bytes in lower-case hex')
const name = z
  .string()
  .min(1)
  .max(256)
  .refine(text => !text.includes('\0'), 'no name holds the character U+0000')
const timeMs = z.int().min(0)

const shape = closed({
  findAll: z.literal(true).optional(),
  publisher: z
    .string()
    .regex(/^0[23][0-9a-f]{64}$/, 'wanted a compressed public key: 33 bytes in lower-case hex')
    .optional(),
  streamId: name.optional(),
  sourceId: name.optional(),
  subject: hash.optional(),
  txid: hash.optional(),
  admittedFromMs: timeMs.optional(),
  admittedToMs: timeMs.optional(),
  spent: z.boolean().optional(),
  limit: z.int().min(1).max(EVENTS_LOOKUP_LIMIT_MAX).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  cursor: z
    .string()
    .transform((text, context) => {
      const position = positionOf(text)
      if (position !== undefined) return position
      context.addIssue('not a cursor of this service; send one from the context of an answer, as it was')
      return z.NEVER
    })
    .optional(),
})
