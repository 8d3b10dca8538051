import type * as z from 'zod'
import { pointerToken } from './canonical-json.ts'
import { accepted, type FaultCode, type Outcome, refused } from './fault.ts'

/** The value as the schema types it, or a fault that points at the first member that does not fit. */
export function bySchema<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  code: FaultCode,
  what: string,
): Outcome<z.infer<Schema>> {
  const read = schema.safeParse(value)
  if (read.success) return accepted(read.data)
  const [first] = read.error.issues
  const pointer = (first?.path ?? []).map(key => pointerToken(String(key))).join('')
  return refused(code, `${what}: ${first?.message ?? 'it has another shape'}`, pointer)
}
