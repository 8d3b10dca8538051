import type { Response } from 'express'
import type { TellBusy } from '../limit-at-once.ts'

/** The codes of these routes are those that DLM1 clients know; their shape too. */
export const lineageStatuses = {
  'bad-request': 400,
  'incomplete-lineage': 409,
  'invalid-envelope': 409,
  'bundle-too-large': 409,
  busy: 503,
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

export const tellLineageBusy: TellBusy = (response, hint) =>
  sendLineageError(response.set('Retry-After', '1'), { error: 'busy', hint })
