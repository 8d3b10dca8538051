import type { RequestHandler } from 'express'
import { sendError } from './overlay-error.ts'

/**
 * At most this many requests in these routes at a time, bodies included; the next one is told to come again. So
 * memory stays bounded, and what is taken in is answered soon.
 */
export function limitAtOnce(max: number): RequestHandler {
  let open = 0
  return (_request, response, next) => {
    if (open >= max)
      return sendError(response, {
        status: 503,
        code: 'ERR_BUSY',
        message: `${max} such requests are under way, which is all this node takes at once; try again in a second`,
        retryAfterSeconds: 1,
      })
    open += 1
    response.once('close', () => {
      open -= 1
    })
    next()
  }
}
