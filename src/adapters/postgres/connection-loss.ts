import { errorCode } from '../../runtime/error-code.ts'

/**
 * Whether the server, or the way to it, went away: the same statement may succeed on another connection. What
 * became of the one that was under way is not known; it may have been committed.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errorCode(error) ?? ''
  if (lossCodes.has(code) || /^08...$/.test(code)) return true
  if (isDriversWord(error)) return true
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isConnectionLoss)
  return isConnectionLoss(error.cause)
}

/** Whether the driver says it, which has no codes for that; Knex writes the statement in front of it. */
export function isDriversWord(error: Error): boolean {
  return errorCode(error) === undefined && lossMessages.some(message => error.message.includes(message))
}

/** Whether the server has cut a statement short, or no connection came free in time: it has too much to do. */
export function isOutOfTime(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const cutShort = 'code' in error && error.code === queryCanceled
  return cutShort || error.message.includes('timeout exceeded when trying to connect')
}

const queryCanceled = '57014'

const lossCodes = new Set([
  // PostgreSQL: an administrator's shutdown, a crash, not up yet, idle for too long
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  // The system
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'EAI_AGAIN',
])

const lossMessages = [
  'Connection terminated',
  'Client was closed and is not queryable',
  'Client has encountered a connection error and is not queryable',
  'timeout expired',
  // The server said nothing for longer than it lets a statement run.
  'Query read timeout',
]
