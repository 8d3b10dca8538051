import { errorCode } from '../runtime/error-code.ts'

/** One sentence for whoever typed the command. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (errorCode(error) === 'EADDRINUSE')
    return `${error.message}. Another program listens there; stop it, or set PORT to another number.`
  return error.message
}
