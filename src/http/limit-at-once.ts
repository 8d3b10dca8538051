import type { Request, Response } from 'express'
import { networkOf } from '../runtime/network-of.ts'
import { sendError } from './overlay-error.ts'

/** Does the work, and answers; or tells the client to come again. */
export type AtOnce = (response: Response, work: () => Promise<void>) => Promise<void>

/** What those at one network may have of the places, where nobody is known otherwise. */
export type NetworkShare = {
  readonly max: number
  /** Where a request comes from; its socket's other end, where nothing is said. */
  addressOf?(request: Request): string | undefined
}

export type AtOnceOptions = {
  readonly share?: NetworkShare
  /** In the shape of the routes that the places are for; that of the overlay's without it. */
  readonly tellBusy?: TellBusy
}

/** Answers 503, to come again in a second. */
export type TellBusy = (response: Response, why: string) => void

/**
 * At most this many at a time: so memory stays bounded, and what is taken in is answered soon. A place is free again
 * once its work is done, also where the client has left, as leaving must not be a way to get more than others; and
 * once its answer is out, which may take `answerMsMax`.
 */
export function limitAtOnce(
  max: number,
  answerMsMax: number,
  { share, tellBusy = tellOverlayBusy }: AtOnceOptions = {},
): AtOnce {
  let open = 0
  const enter = share === undefined ? () => () => {} : openShares(share)
  return async (response, work) => {
    if (open >= max)
      return tellBusy(
        response,
        `${max} such requests are under way, which is all this node takes at once; try again in a second`,
      )
    const leave = enter(response.req)
    if (leave === undefined)
      return tellBusy(
        response,
        `${share?.max} such requests from your network are under way, which is all this node takes of one at once; read their answers, and try again in a second`,
      )
    open += 1
    try {
      await work()
      await sent(response, answerMsMax)
    } finally {
      open -= 1
      leave()
    }
  }
}

function tellOverlayBusy(response: Response, message: string): void {
  sendError(response, { status: 503, code: 'ERR_BUSY', message, retryAfterSeconds: 1 })
}

/** Undefined where the network has its share; else what gives the place back. */
function openShares({ max, addressOf = request => request.socket.remoteAddress }: NetworkShare) {
  const taken = new Map<string, number>()
  return (request: Request): (() => void) | undefined => {
    const network = networkOf(addressOf(request))
    const count = taken.get(network) ?? 0
    if (count >= max) return undefined
    taken.set(network, count + 1)
    return () => {
      const left = (taken.get(network) ?? 1) - 1
      if (left > 0) taken.set(network, left)
      else taken.delete(network)
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
