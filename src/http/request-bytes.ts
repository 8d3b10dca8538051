import type { IncomingMessage } from 'node:http'
import { errorCode } from '../runtime/error-code.ts'

/** Thrown where nothing has come of a body for too long, or too little in all. */
export class BodySilentError extends Error {}
/** Thrown where the client has left before its body was whole: there is nobody to answer. */
export class BodyCutOffError extends Error {}

/**
 * The body piece by piece, as fast as it is taken, within `bodyMsMax` in all. Whoever stops taking it still has a request
 * to answer.
 */
export async function* requestBytes(
  request: IncomingMessage,
  silenceMsMax: number,
  bodyMsMax: number,
): AsyncGenerator<Uint8Array> {
  const endsMs = performance.now() + bodyMsMax
  const pieces: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false })
  let isWaiting = false
  try {
    for (;;) {
      if (performance.now() >= endsMs)
        throw new BodySilentError(`the body has not come within ${bodyMsMax} ms`)
      isWaiting = true
      const next = await inTime(pieces.next(), silenceMsMax)
      isWaiting = false
      if (next.done) return
      yield next.value
    }
  } catch (error) {
    if (request.destroyed && !request.readableEnded && errorCode(error) === 'ECONNRESET')
      throw new BodyCutOffError('the client has left', { cause: error })
    throw error
  } finally {
    // One that waits for a piece that does not come would wait for it to return, too.
    if (!isWaiting) await pieces.return?.()
  }
}

function inTime<T>(piece: Promise<T>, silenceMsMax: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const silence = setTimeout(
      () => reject(new BodySilentError(`nothing has come of the body for ${silenceMsMax} ms`)),
      silenceMsMax,
    )
    piece.then(resolve, reject).finally(() => clearTimeout(silence))
  })
}
