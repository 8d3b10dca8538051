import { isConnectionLoss, isDriversWord } from '../adapters/postgres/connection-loss.ts'
import { errorCode } from '../runtime/error-code.ts'

/** One sentence for whoever typed the command. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = errorCode(error)
  if (code === 'EADDRINUSE')
    return `${error.message}. Another program listens there; stop it, or set PORT to another number.`
  if (isGone(error, code))
    return `the database went away meanwhile (${code ?? error.message}). Start this again once it answers.`
  return error.message
}

/** PostgreSQL says that it stops, or is not up yet; or it says nothing more, and the driver or the system does. */
function isGone(error: Error, code: string | undefined): boolean {
  if (/^57P0[123]$/.test(code ?? '') || isDriversWord(error)) return true
  // The system's bare words: whoever calls something else than the database says what.
  return isConnectionLoss(error) && /^(read|write|connect) E[A-Z]+\b/.test(error.message)
}
