import type { Request, RequestHandler, Response } from 'express'
import type { FindReader } from '../../adapters/reading/readable.ts'
import { anybody, type Reader } from '../../core/registry/may-read.ts'
import type { Authentication } from '../authentication.ts'

export type ReadingDeps = {
  readonly authentication: Authentication
  readonly findReader: FindReader
}

/**
 * A handler that is told who asks: anybody, or an identity that has proven itself (BRC-104). Whoever claims one and
 * cannot prove it is refused, not taken for anybody. Signed answers are given in one piece: no streams, no empty ones.
 */
export type Reading = (
  handle: (request: Request, response: Response, reader: Reader) => Promise<void> | void,
) => RequestHandler

export function openReading({ authentication, findReader }: ReadingDeps): Reading {
  return handle => {
    const proven = authentication.requireIdentity(async (request, response, { identityKey }) => {
      // What one may read is nobody else's to keep.
      response.set('Cache-Control', 'private, no-store')
      await handle(request, response, await findReader(identityKey))
    })
    return async (request, response, next) => {
      if (authentication.namesIdentity(request)) await proven(request, response, next)
      else await handle(request, response, anybody)
    }
  }
}
