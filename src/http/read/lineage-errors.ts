import type { Response } from 'express'

/** The codes of these routes are those that DLM1 clients know; their shape too. */
export const lineageStatuses = {
  'bad-request': 400,
  'incomplete-lineage': 409,
  'invalid-envelope': 409,
  'bundle-too-large': 409,
} as const

export type LineageError = {
  readonly error: keyof typeof lineageStatuses
  /** The next move; of an incomplete lineage `missing-manifest:` or `missing-envelope:`, and whose. */
  readonly hint: string
  readonly versionId?: string
  readonly reason?: string
}

export function sendLineageError(response: Response, error: LineageError): void {
  response.status(lineageStatuses[error.error]).json(error)
}
