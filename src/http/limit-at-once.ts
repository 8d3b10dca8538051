import type { Response } from 'express'
import { sendError } from './overlay-error.ts'

/** Does the work, and answers; or tells the client to come again. */
export type AtOnce = (response: Response, work: () => Promise<void>) => Promise<void>

/**
 * At most this many at a time: so memory stays bounded, and what is taken in is answered soon. A place is free again
 * once its work is done, also where the client has left, as leaving must not be a way to get more than others; and
 * once its answer is out, which may take `answerMsMax`.
 */
export function limitAtOnce(max: number, answerMsMax: number): AtOnce {
  let open = 0
  return async (response, work) => {
    if (open >= max)
      return sendError(response, {
        status: 503,
        code: 'ERR_BUSY',
        message: `${max} such requests are under way, which is all this node takes at once; try again in a second`,
        retryAfterSeconds: 1,
      })
    open += 1
    try {
      await work()
      await sent(response, answerMsMax)
    } finally {
      open -= 1
    }
  }
}

function sent(response: Response, answerMsMax: number): Promise<void> {
  return new Promise(resolve => {
    if (response.closed || response.destroyed) return resolve()
    const cutOff = setTimeout(() => response.destroy(), answerMsMax)
    response.once('close', () => {
      clearTimeout(cutOff)
      resolve()
    })
  })
}
