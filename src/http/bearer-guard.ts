import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import type { OverlayError } from './overlay-error.ts'

/** What speaks against a request that must carry this bearer token; where no token is configured, none will do. */
export function bearerGuard(
  token: string | undefined,
  whatFor: string,
): (request: Request) => OverlayError | undefined {
  const wanted = token === undefined ? undefined : digest(token)
  return request => {
    const [, given] = /^Bearer (\S+)$/.exec(request.get('authorization') ?? '') ?? []
    if (given === undefined)
      return {
        status: 401,
        code: 'ERR_AUTH_UNAUTHORIZED',
        message: `${whatFor} needs the header "Authorization: Bearer <token>"`,
      }
    // Digests, so that the comparison takes as long for every length.
    if (wanted === undefined || !timingSafeEqual(digest(given), wanted))
      return {
        status: 403,
        code: 'ERR_AUTH_FORBIDDEN',
        message: `the bearer token is not the one that this node expects for ${whatFor}`,
      }
    return undefined
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
