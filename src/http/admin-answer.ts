import type { Request, RequestHandler, Response } from 'express'
import type { AsAdmin } from './admin-guard.ts'
import type { AtOnce } from './limit-at-once.ts'
import { type OverlayError, sendError } from './overlay-error.ts'

/** What an operator is told: what there is, that it was done, or why not. */
export type AdminAnswer = { readonly data: unknown } | { readonly message: string } | OverlayError

export async function answerAdmin(response: Response, work: () => Promise<AdminAnswer>): Promise<void> {
  const done = await work()
  if ('code' in done) sendError(response, done)
  else response.json({ status: 'success', ...done })
}

/** Routes that answer what they are asked and change nothing, so many at once as `places` has room for. */
export function askedByAdmin(guard: (handle: AsAdmin) => RequestHandler, places: AtOnce) {
  return (work: (request: Request) => Promise<AdminAnswer>): RequestHandler =>
    guard((request, response) => places(response, () => answerAdmin(response, () => work(request))))
}
