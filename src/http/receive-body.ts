import type { IncomingMessage } from 'node:http'
import type { Request, Response } from 'express'
import { concatAll } from '../core/bytes.ts'
import { type OverlayError, sendError } from './overlay-error.ts'

export type BodyLimits = {
  /** Of all bodies together, from their first byte until they are answered. */
  readonly bytesAtOnceMax: number
  /** So long nothing may come of a body that is under way. */
  readonly silenceMsMax: number
  /** From its first byte to its last. */
  readonly bodyMsMax: number
}

export const bodyLimits: BodyLimits = {
  bytesAtOnceMax: 256 * 1024 * 1024,
  silenceMsMax: 10_000,
  bodyMsMax: 60_000,
}

/**
 * Reads the body of a request and answers it, or says what is wrong with the body. What is counted is what has
 * come, not what was announced: whoever sends nothing holds nothing but a connection.
 *
 * `use` gets bytes, or whatever a parser of the app that these routes are mounted in has made of them.
 */
export type WithBody = (
  request: Request,
  response: Response,
  bytesMax: number,
  use: (body: unknown) => Promise<void> | void,
) => Promise<void>

/** `refuse`: for routes whose errors have a shape of their own. */
export function bodyReader(
  limits: BodyLimits,
  refuse: (response: Response, error: OverlayError) => void = sendError,
): WithBody {
  const room = openBodyRoom(limits)
  return async (request, response, bytesMax, use) => {
    if (request.body !== undefined || request.readableEnded) return use(request.body)
    const encoded = againstEncoding(request)
    if (encoded !== undefined) {
      request.resume()
      return refuse(response, encoded)
    }
    const body = await receiveBody(request, bytesMax, limits, room)
    try {
      if (body.kind === 'whole') await use(body.bytes())
      else if (body.kind === 'refused') refuse(response, body.error)
    } finally {
      room.bytes += body.taken
    }
  }
}

/** What is left of the memory for all bodies together. */
export type BodyRoom = { bytes: number }

export function openBodyRoom({ bytesAtOnceMax }: Pick<BodyLimits, 'bytesAtOnceMax'>): BodyRoom {
  return { bytes: bytesAtOnceMax }
}

/** `bytes` is not a Buffer: a view of a Buffer is another Buffer, and takes many times as long to make. */
export type Received = {
  readonly taken: number
} & (
  | { readonly kind: 'whole'; bytes(): Uint8Array }
  | { readonly kind: 'refused'; readonly error: OverlayError }
  /** The client is, and there is nobody to answer. */
  | { readonly kind: 'gone' }
)

/** The bytes as they come, whatever they are encoded with. Whoever gets them gives `taken` back to the room. */
export function receiveBody(
  request: IncomingMessage,
  bytesMax: number,
  { silenceMsMax, bodyMsMax }: Pick<BodyLimits, 'silenceMsMax' | 'bodyMsMax'>,
  room: BodyRoom,
): Promise<Received> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let taken = 0
    const silence = setTimeout(
      () => end({ kind: 'refused', error: silent(silenceMsMax), taken }),
      silenceMsMax,
    )
    const tooSlow = setTimeout(() => end({ kind: 'refused', error: slow(bodyMsMax), taken }), bodyMsMax)
    const end = (received: Received) => {
      clearTimeout(silence)
      clearTimeout(tooSlow)
      request.off('data', take).off('end', finish).off('close', leave)
      // Whatever still comes is let go by, or the client would never read the answer.
      request.resume()
      resolve(received)
    }
    const take = (chunk: Buffer) => {
      silence.refresh()
      if (taken + chunk.length > bytesMax) return end({ kind: 'refused', error: tooLarge(bytesMax), taken })
      if (chunk.length > room.bytes) return end({ kind: 'refused', error: noRoom, taken })
      room.bytes -= chunk.length
      taken += chunk.length
      chunks.push(chunk)
    }
    const finish = () => end({ kind: 'whole', bytes: () => concatAll(chunks), taken })
    const leave = () => end({ kind: 'gone', taken })

    if (Number(request.headers['content-length'] ?? 0) > bytesMax)
      return end({ kind: 'refused', error: tooLarge(bytesMax), taken })
    // What went wrong is told by `close`, which follows.
    request.on('error', () => undefined)
    request.on('data', take).once('end', finish).once('close', leave)
  })
}

/** For bodies that nothing here unpacks. */
export function againstEncoding({ headers }: IncomingMessage): OverlayError | undefined {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() === 'identity') return undefined
  return {
    status: 415,
    code: 'ERR_CONTENT_TYPE',
    message: `the body is said to be encoded with "${encoding.slice(0, 64)}"; send it as it is, without Content-Encoding`,
  }
}

function tooLarge(bytesMax: number): OverlayError {
  return {
    status: 413,
    code: 'ERR_REQUEST_TOO_LARGE',
    message: `the body is longer than the ${bytesMax} bytes that this route takes; send less at once`,
  }
}

function silent(silenceMsMax: number): OverlayError {
  return {
    status: 408,
    code: 'ERR_REQUEST_TIMEOUT',
    message: `nothing has come of the body for ${silenceMsMax} ms, and its end is missing; send it again in one go`,
  }
}

function slow(bodyMsMax: number): OverlayError {
  return {
    status: 408,
    code: 'ERR_REQUEST_TIMEOUT',
    message: `the body has not come within ${bodyMsMax} ms; send it again in one go`,
  }
}

const noRoom: OverlayError = {
  status: 503,
  code: 'ERR_BUSY',
  message: 'all the memory for bodies that are under way is in use; try again in a second',
  retryAfterSeconds: 1,
}
