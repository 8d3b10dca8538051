import type { Request } from 'express'
import * as z from 'zod'
import { CURSOR_CHARS_MAX } from '../../adapters/reading/page-cursors.ts'
import { eventWords } from '../../core/jobs/vocabulary.ts'
import { isLevel, levels } from '../../core/level.ts'
import type { Problem } from '../problem.ts'

/* What reading routes are asked in their query, read strictly. */

const NAME_CHARS_MAX = 256
/** Items of a page where a route says nothing else. */
export const PAGE_LIMIT_MAX = 200

export const digits = (max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'not a whole number')
    .transform(Number)
    .pipe(z.int().min(0).max(max))
export const pageLimit = (max: number) => digits(max).pipe(z.int().min(1)).default(50)
export const givenName = z
  .string()
  .min(1)
  .max(NAME_CHARS_MAX)
  .refine(text => text.isWellFormed() && !/\p{Cc}/u.test(text), 'it holds a control character')
export const timeMs = digits(8_640_000_000_000_000)
export const levelName = z.string().refine(isLevel, `none of ${levels.join(', ')}`)
export const hash = z.string().regex(/^[0-9a-f]{64}$/, 'not 64 hex digits in lower case')
export const identityKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'not an identity key: 66 lower-case hex digits that begin with 02 or 03')
const statuses = eventWords('ingest')
export const statusName = z.enum(statuses, `none of ${statuses.join(', ')}`)
export const cursorText = z.string().min(1).max(CURSOR_CHARS_MAX)

/** The query as `shape` reads it, or what is wrong with its first member. */
export function readQuery<Shape extends z.ZodType>(
  shape: Shape,
  { query }: Pick<Request, 'query'>,
): { readonly read: z.output<Shape> } | Problem {
  const parsed = shape.safeParse(query)
  if (parsed.success) return { read: parsed.data }
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys')
    return bad(`the query says "${shown(issue.keys[0] ?? '')}", which is not known here`)
  const name = String(issue?.path[0] ?? '')
  const isTwice = Array.isArray(query[name])
  const why = isTwice ? 'it is there more than once' : (issue?.message ?? 'not what this route takes')
  return bad(name === '' ? `the query: ${why}` : `${shown(name)} in the query: ${why}`)
}

export function bad(detail: string, hint?: string): Problem {
  return { code: 'bad-request', detail, ...(hint !== undefined && { hint }) }
}

function shown(name: string): string {
  return name.slice(0, 64)
}
