import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { sendError } from './overlay-error.ts'

/** Lets a request through that carries this bearer token; none at all where no token is configured. */
export function bearerGuard(token: string | undefined, whatFor: string): RequestHandler {
  const wanted = token === undefined ? undefined : digest(token)
  return (request, response, next) => {
    const [, given] = /^Bearer (\S+)$/.exec(request.get('authorization') ?? '') ?? []
    if (given === undefined)
      return sendError(response, {
        status: 401,
        code: 'ERR_AUTH_UNAUTHORIZED',
        message: `${whatFor} needs the header "Authorization: Bearer <token>"`,
      })
    // Digests, so that the comparison takes as long for every length.
    if (wanted === undefined || !timingSafeEqual(digest(given), wanted))
      return sendError(response, {
        status: 403,
        code: 'ERR_AUTH_FORBIDDEN',
        message: `the bearer token is not the one that this node expects for ${whatFor}`,
      })
    next()
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
