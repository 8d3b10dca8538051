import type { Request, Response } from 'express'
import { fromUtf8 } from '../core/bytes.ts'
import { sendError } from './overlay-error.ts'
import type { WithBody } from './receive-body.ts'

export type WithJson = (
  request: Request,
  response: Response,
  use: (value: unknown) => Promise<void> | void,
) => Promise<void>

/** Reads bodies as JSON, whatever they are called; what an app's own parser has read is taken as it is. */
export function readJson(withBody: WithBody, bytesMax: number): WithJson {
  return (request, response, use) =>
    withBody(request, response, bytesMax, body => {
      if (!(body instanceof Uint8Array)) return use(body)
      const value = parseJson(body)
      if (value !== undefined) return use(value)
      sendError(response, {
        status: 400,
        code: 'ERR_REQUEST_INVALID',
        message: 'the body is not JSON in UTF-8',
      })
    })
}

/** Undefined, which JSON cannot say, where it is none in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    // Not JSON: the caller says so, or a schema, as none fits it.
    return undefined
  }
}
