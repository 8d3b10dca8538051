import type * as z from 'zod'
import type { OverlayError } from './overlay-error.ts'

/** What a schema holds against a part of a request, at the first member that does not fit. */
export function wrongShape(part: 'the body' | 'the query', { issues: [issue] }: z.ZodError): OverlayError {
  return {
    status: 400,
    code: 'ERR_REQUEST_INVALID',
    message: `${part}, /${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'not what this route takes'}`,
  }
}
