import * as z from 'zod'
import { bySchema } from '../src/core/schema.ts'
import { InvalidQuery } from './invalid-query.ts'

/* Members that the queries of several services have. */

export const publicKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'wanted a compressed public key: 33 bytes in lower-case hex')

export const hash = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 32 bytes in lower-case hex')

/** Of templates and stages. */
export const word = z.string().regex(/^[a-z]{1,32}$/, 'wanted a word: 1 to 32 lower-case letters')

/** Of streams and sources. */
export const name = z
  .string()
  .min(1)
  .max(256)
  .refine(text => !text.includes('\0'), 'no name holds the character U+0000')

export const timeMs = z.int().min(0)

export const outpoint = z
  .string()
  .regex(/^[0-9a-f]{64}\.(?:0|[1-9][0-9]{0,9})$/, 'wanted <txid>.<output>')
  .refine(text => Number(text.slice(65)) <= 0xffff_ffff, 'no transaction has that output')
  .transform(text => ({ txid: text.slice(0, 64), vout: Number(text.slice(65)) }))

export const order = z.enum(['asc', 'desc'])

/** Pages by count, as stock services have them. Deeper ones would cost the database more than they tell anybody. */
export const SKIP_MAX = 10_000
export const skip = z.int().min(0).max(SKIP_MAX)

/**
 * A query of members, or InvalidQuery with the one that is wrong. `"findAll"` asks for everything, as `findAll: true` does
 * among the members; then none of them may narrow it.
 */
export function readQuery<Schema extends z.ZodType<{ findAll?: boolean | undefined }>>(
  service: string,
  shape: Schema,
  query: unknown,
  filters: readonly (keyof z.output<Schema> & string)[],
): z.output<Schema> {
  const read = bySchema(shape, query === 'findAll' ? { findAll: true } : query, 'message-invalid')
  if (!read.ok) throw new InvalidQuery(service, read.fault)
  const filter = filters.find(member => read.value[member] !== undefined)
  if (read.value.findAll === true && filter !== undefined)
    throw new InvalidQuery(service, {
      detail: `"findAll" asks for everything and "${filter}" for some of it; send one of the two`,
      pointer: `/${filter}`,
    })
  return read.value
}

/** For the pages of services that say `answersInPart`. */
export const IN_PART = `Where an answer would be longer than this host gives, it holds as many outputs as fit: mined ones before those that wait for
a block, and short ones before long. With a smaller \`limit\`, all of them can be had.`
