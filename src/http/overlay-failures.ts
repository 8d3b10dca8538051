import type { ErrorRequestHandler, Request } from 'express'
import { isConnectionLoss } from '../adapters/postgres/connection-loss.ts'
import { type OverlayError, sendError } from './overlay-error.ts'

/** The last word on these routes: what body parsers refuse, what services refuse, and what is our own fault. */
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
  const { type, status, code, message } = membersOf(error)
  if (code === 'ERR_LOOKUP_INVALID_QUERY') return { status: 400, code, message }
  if (type === 'entity.too.large')
    return {
      status: 413,
      code: 'ERR_REQUEST_TOO_LARGE',
      message: 'the body is longer than this route takes; send less at once',
    }
  if (type === 'entity.parse.failed')
    return { status: 400, code: 'ERR_REQUEST_INVALID', message: 'the body is not JSON' }
  if (type === 'encoding.unsupported' || type === 'charset.unsupported')
    return {
      status: 415,
      code: 'ERR_CONTENT_TYPE',
      message:
        'the body is in an encoding that this route does not read; send it as it is, or with gzip, deflate or br',
    }
  if (typeof type === 'string' && typeof status === 'number' && status >= 400 && status < 500)
    return {
      status,
      code: 'ERR_REQUEST_INVALID',
      message: 'the body ended early, or is not as long as announced',
    }
  if (isConnectionLoss(error))
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

function membersOf(error: unknown): { type?: unknown; status?: unknown; code?: unknown; message: string } {
  return error instanceof Error ? error : { message: String(error) }
}
