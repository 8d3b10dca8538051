import { errorCode } from '../../runtime/error-code.ts'

/**
 * Whether the database has refused what it was given (a value that no column can hold, or that contradicts what is
 * stored): it will the next time.
 */
export function isRefusedValue(error: unknown): error is Error {
  return /^2[23]...$/.test(errorCode(error) ?? '')
}
