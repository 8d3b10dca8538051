import type { ErrorRequestHandler, Request } from 'express'
import { isConnectionLoss, isOutOfTime } from '../adapters/postgres/connection-loss.ts'
import { type OverlayError, sendError } from './overlay-error.ts'

/** The last word on these routes: what services refuse, and what is our own fault. */
export function overlayFailures(onFailure: (error: unknown, request: Request) => void): ErrorRequestHandler {
  return (error, request, response, next) => {
    const told = toldAs(error)
    if (told.status >= 500) onFailure(error, request)
    // Too late for another answer: express ends the connection, so that nobody takes half an answer for a whole.
    if (response.headersSent) return next(error)
    sendError(response, told)
  }
}

function toldAs(error: unknown): OverlayError {
  const { code, message } = membersOf(error)
  if (code === 'ERR_LOOKUP_INVALID_QUERY') return { status: 400, code, message }
  if (code === 'ERR_OVERTAKEN') return { status: 503, code: 'ERR_BUSY', message, retryAfterSeconds: 1 }
  if (isConnectionLoss(error) || isOutOfTime(error))
    return {
      status: 503,
      code: 'ERR_BUSY',
      message: 'the database does not answer at the moment; try again in a second',
      retryAfterSeconds: 1,
    }
  return {
    status: 500,
    code: 'ERR_INTERNAL',
    message: 'something went wrong here that is not your mistake; the log of this node says what',
  }
}

function membersOf(error: unknown): { code?: unknown; message: string } {
  return error instanceof Error ? error : { message: String(error) }
}
