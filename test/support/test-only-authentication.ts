import { Router } from 'express'
import type { Authentication } from '../../src/http/authentication.ts'
import { sendError } from '../../src/http/overlay-error.ts'
import { bodyLimits, bodyReader } from '../../src/http/receive-body.ts'

/** Believes whatever identity a header names: for tests of routes that ask who is calling, and nothing else. */
export function testOnlyAuthentication(): Authentication {
  const withBody = bodyReader(bodyLimits)
  return {
    routes: Router(),
    namesIdentity: request => request.get(testOnlyIdentityHeader) !== undefined,
    requireIdentity:
      (handle, { bodyBytesMax = 64 * 1024 } = {}) =>
      (request, response) =>
        withBody(request, response, bodyBytesMax, body => {
          const identityKey = request.get(testOnlyIdentityHeader) ?? ''
          // As the real one leaves it, for routes that read it by themselves.
          request.body = body
          if (/^[0-9a-f]{66}$/.test(identityKey) && body instanceof Uint8Array)
            return handle(request, response, { identityKey, body })
          sendError(response, {
            status: 401,
            code: 'ERR_AUTH_UNAUTHORIZED',
            message: 'this route is for those who have proven who they are',
          })
        }),
  }
}

export const testOnlyIdentityHeader = 'x-bsv-auth-identity-key'
