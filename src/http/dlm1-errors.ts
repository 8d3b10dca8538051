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
} as const

export type Dlm1Error = {
  readonly error: keyof typeof dlm1Statuses
  /** What was seen, what was wanted, and the next move. */
  readonly hint: string
  readonly details?: unknown
}

export function sendDlm1Error(response: Response, error: Dlm1Error): void {
  response.status(dlm1Statuses[error.error]).json(error)
}
