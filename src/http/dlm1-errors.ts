import type { Response } from 'express'

/** The codes of these routes are those that DLM1 clients know; their shape too. */
export const dlm1Statuses = {
  'invalid-input': 400,
  'invalid-body': 400,
  'invalid-rawtx': 400,
  'invalid-manifest': 400,
  'onchain-mh-mismatch': 400,
  'declaration-not-found': 404,
  'declaration-pending': 404,
  'spv-verification-failed': 409,
  'unsupported-media-type': 415,
  'schema-validation-failed': 422,
  'too-many-unproven': 429,
} as const

export type Dlm1Error = {
  readonly error: keyof typeof dlm1Statuses
  /** What was seen, what was wanted, and the next move. */
  readonly hint: string
  readonly details?: unknown
  readonly retryAfterSeconds?: number
}

export function sendDlm1Error(response: Response, { retryAfterSeconds, ...error }: Dlm1Error): void {
  if (retryAfterSeconds !== undefined) response.set('Retry-After', String(retryAfterSeconds))
  // An overlay client that has sent JSON by mistake finds here what it reads of an error.
  response.status(dlm1Statuses[error.error]).json({ status: 'error', ...error, message: error.hint })
}
