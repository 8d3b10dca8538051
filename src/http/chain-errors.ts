import type { ErrorRequestHandler, Request, Response } from 'express'
import { isConnectionLoss } from '../adapters/postgres/connection-loss.ts'
import type { OverlayError } from './overlay-error.ts'

/** Every way in which the chain's routes say no, and the status that goes with it. */
export const chainErrors = {
  ERR_CHAIN_INVALID_REQUEST: 400,
  ERR_CHAIN_UNREADABLE_TRANSACTION: 400,
  ERR_CHAIN_NO_SUCH_ROUTE: 404,
  ERR_CHAIN_NO_SUCH_HEIGHT: 404,
  ERR_CHAIN_UNKNOWN_TRANSACTION: 404,
  ERR_CHAIN_METHOD_NOT_ALLOWED: 405,
  ERR_CHAIN_REQUEST_TIMEOUT: 408,
  ERR_CHAIN_DOUBLE_SPEND: 409,
  ERR_CHAIN_BODY_TOO_LARGE: 413,
  ERR_CHAIN_CONTENT_TYPE: 415,
  ERR_CHAIN_INVALID_TRANSACTION: 422,
  ERR_CHAIN_ORPHAN: 422,
  ERR_CHAIN_NOT_FINAL: 422,
  ERR_CHAIN_REORGANISATION_REFUSED: 422,
  ERR_CHAIN_INTERNAL: 500,
  ERR_CHAIN_BUSY: 503,
  ERR_CHAIN_FAUCET_EXHAUSTED: 503,
  ERR_CHAIN_MEMPOOL_FULL: 503,
} as const

export type ChainErrorCode = keyof typeof chainErrors

/** What every answer of a private chain says of itself. */
export const privateChain = { network: 'local', economicFinality: false } as const

/** Thrown by a handler; the router's last handler turns it into an answer. */
export class ChainRouteError extends Error {
  readonly code: ChainErrorCode
  readonly more: Readonly<Record<string, unknown>>

  constructor(code: ChainErrorCode, message: string, more: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.name = 'ChainRouteError'
    this.code = code
    this.more = more
  }
}

/** `onFault`: for the log, because an unknown fault is answered without its internals. */
export function answerChainErrors(onFault: (error: unknown, request: Request) => void): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) return next(error)
    const known = error instanceof ChainRouteError ? error : fromExpress(error)
    if (known !== undefined) return answer(response, known)
    onFault(error, request)
    answer(response, isConnectionLoss(error) ? databaseAway : unknownFault)
  }
}

const databaseAway = new ChainRouteError(
  'ERR_CHAIN_BUSY',
  'the database does not answer at the moment; try again in a second',
)
const unknownFault = new ChainRouteError(
  'ERR_CHAIN_INTERNAL',
  'something went wrong here; the log of this node says what',
)

const RETRY_AFTER_SECONDS = 1

function answer(response: Response, { code, message, more }: ChainRouteError): void {
  const status = chainErrors[code]
  if (status === 503) response.set('Retry-After', String(RETRY_AFTER_SECONDS))
  response
    .status(status)
    .json({ status: 'error', isError: true, code, message, description: message, ...more, ...privateChain })
}

/** What is wrong with a body, in the words of whoever has read it. */
export function refuseChainBody(response: Response, { status, message }: OverlayError): void {
  answer(response, new ChainRouteError(bodyErrors.get(status) ?? 'ERR_CHAIN_INVALID_REQUEST', message))
}

const bodyErrors: ReadonlyMap<number, ChainErrorCode> = new Map([
  [408, 'ERR_CHAIN_REQUEST_TIMEOUT'],
  [413, 'ERR_CHAIN_BODY_TOO_LARGE'],
  [415, 'ERR_CHAIN_CONTENT_TYPE'],
  [503, 'ERR_CHAIN_BUSY'],
])

/** Its complaint about a path that it cannot decode. */
function fromExpress(error: unknown): ChainRouteError | undefined {
  return error instanceof Error && 'status' in error && error.status === 400
    ? new ChainRouteError('ERR_CHAIN_INVALID_REQUEST', 'its path is unreadable')
    : undefined
}
