import type { Response } from 'express'
import type { Fault, FaultCode } from '../core/fault.ts'

/**
 * An answer that is not the one asked for, on BRC routes: a superset of the shapes that overlay clients and the
 * reference node use, so that each finds the member it reads.
 */
export type OverlayError = {
  readonly status: number
  readonly code: OverlayErrorCode
  /** What was seen, what was wanted, and the next move. */
  readonly message: string
  readonly retryAfterSeconds?: number
}

/** What came of reading a part of a request. */
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: OverlayError }

export const overlayErrorCodes = [
  'ERR_OVERLAY_ADMISSION_MISSING_TOPICS_HEADER',
  'ERR_OVERLAY_ADMISSION_INVALID_TOPIC',
  'ERR_OVERLAY_ADMISSION_INVALID_BEEF',
  'ERR_OVERLAY_ADMISSION_SCRIPT_INVALID',
  'ERR_OVERLAY_ADMISSION_REJECTED',
  'ERR_LOOKUP_SERVICE_NOT_FOUND',
  'ERR_LOOKUP_INVALID_QUERY',
  'ERR_LOOKUP_TOO_LARGE',
  'ERR_PROOF_INVALID',
  'ERR_NOT_FOUND',
  'ERR_AUTH_UNAUTHORIZED',
  'ERR_AUTH_FORBIDDEN',
  // Without the prefix, as the published vectors and the stock middleware have it.
  'UNAUTHORIZED',
  'ERR_AUTH_FAILED',
  'ERR_AUTH_INVALID_NONCE',
  'ERR_AUTH_IDENTITY_KEY_MISMATCH',
  'ERR_AUTH_SESSION_EXPIRED',
  'ERR_REQUEST_INVALID',
  'ERR_REQUEST_TOO_LARGE',
  'ERR_REQUEST_TIMEOUT',
  'ERR_CONTENT_TYPE',
  'ERR_UHRP_CONTENT',
  'ERR_UHRP_CONFLICT',
  'ERR_UHRP_EXPIRED',
  'ERR_UHRP_RANGE',
  'ERR_UHRP_STORAGE_FULL',
  'ERR_QUARANTINE_STAYS',
  'ERR_BUSY',
  'ERR_INTERNAL',
] as const
export type OverlayErrorCode = (typeof overlayErrorCodes)[number]

export function sendError(response: Response, error: OverlayError): void {
  if (error.retryAfterSeconds !== undefined) response.set('Retry-After', String(error.retryAfterSeconds))
  response.status(error.status).json(errorBody(error))
}

export function errorBody({ code, message }: Pick<OverlayError, 'code' | 'message'>) {
  return { status: 'error', isError: true, code, message, description: message }
}

/** How a fault that the core has found is told on these routes. */
export function overlayError({ code, detail, pointer }: Fault): OverlayError {
  const [status, told] = toldAs[code] ?? [400, 'ERR_REQUEST_INVALID']
  return { status, code: told, message: pointer === undefined ? detail : `${detail} (at ${pointer || '/'})` }
}

const toldAs: Partial<Record<FaultCode, [number, OverlayErrorCode]>> = {
  'transaction-invalid': [400, 'ERR_OVERLAY_ADMISSION_INVALID_BEEF'],
  'script-invalid': [400, 'ERR_OVERLAY_ADMISSION_SCRIPT_INVALID'],
  'proof-invalid': [400, 'ERR_PROOF_INVALID'],
  'topics-invalid': [400, 'ERR_OVERLAY_ADMISSION_MISSING_TOPICS_HEADER'],
  'topic-unknown': [400, 'ERR_OVERLAY_ADMISSION_INVALID_TOPIC'],
  'double-spend': [409, 'ERR_OVERLAY_ADMISSION_REJECTED'],
  'service-unknown': [400, 'ERR_LOOKUP_SERVICE_NOT_FOUND'],
  'query-invalid': [400, 'ERR_LOOKUP_INVALID_QUERY'],
  'answer-too-large': [400, 'ERR_LOOKUP_TOO_LARGE'],
  'content-invalid': [400, 'ERR_UHRP_CONTENT'],
  'content-too-large': [413, 'ERR_REQUEST_TOO_LARGE'],
  'upload-taken': [409, 'ERR_UHRP_CONFLICT'],
  'storage-full': [507, 'ERR_UHRP_STORAGE_FULL'],
}
