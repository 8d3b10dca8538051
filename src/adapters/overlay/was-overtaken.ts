import { errorCode } from '../../runtime/error-code.ts'

/**
 * Another process has written one of the rows first, taken out one that a row here refers to, or waits for what this
 * one holds. Nothing was written; read again, and try again.
 */
export function wasOvertaken(error: unknown): boolean {
  return overtaken.has(errorCode(error) ?? '')
}

const [uniqueViolation, foreignKeyViolation, deadlock] = ['23505', '23503', '40P01']
const overtaken = new Set([uniqueViolation, foreignKeyViolation, deadlock])
