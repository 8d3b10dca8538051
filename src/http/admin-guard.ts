import type { Request, RequestHandler, Response } from 'express'
import type { Authentication } from './authentication.ts'
import { bearerGuard } from './bearer-guard.ts'
import { sendError } from './overlay-error.ts'

export type AdminGuardDeps = {
  readonly authentication: Authentication
  readonly token: string | undefined
  readonly identityKeys: readonly string[]
  readonly bodyBytesMax: number
}

/** `who`: for the log. */
export type AsAdmin = (request: Request, response: Response, who: string) => Promise<void>

/** Lets in who carries the token, or proves one of the identities. Where neither is configured, nobody is let in. */
export function adminGuard({ authentication, token, identityKeys, bodyBytesMax }: AdminGuardDeps) {
  const againstBearer = bearerGuard(token, 'an admin request')
  return (handle: AsAdmin): RequestHandler => {
    const proven = authentication.requireIdentity(
      (request, response, { identityKey }) => {
        if (identityKeys.includes(identityKey)) return handle(request, response, identityKey)
        return sendError(response, {
          status: 403,
          code: 'ERR_AUTH_FORBIDDEN',
          message: `${identityKey} is none of the identities in ADMIN_IDENTITY_KEYS`,
        })
      },
      { bodyBytesMax },
    )
    return (request, response, next) => {
      if (signsItself(request)) return proven(request, response, next)
      const against = againstBearer(request)
      return against === undefined ? handle(request, response, 'bearer') : sendError(response, against)
    }
  }
}

function signsItself({ headers }: Request): boolean {
  return Object.keys(headers).some(name => name.startsWith('x-bsv-auth-'))
}
