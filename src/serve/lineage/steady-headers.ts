import type { Headers } from './known-version.ts'

/** How often an answer is made again because the best chain changed while it was made. */
const TRIES_MAX = 3

/**
 * An answer that rests on one best chain: made again where the tip is another one at its end. A chain that changes all
 * the time is answered for as it was found last; each of its proofs was still compared with a header.
 */
export async function onOneChain<Answer>(
  headers: Headers,
  make: (headers: Headers) => Promise<Answer>,
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const before = await tipOf(headers)
    const answer = await make(remembering(headers))
    if (tries >= TRIES_MAX || (await tipOf(headers)) === before) return answer
  }
}

/** Without any headers the answer says so itself. */
function tipOf(headers: Headers): Promise<string | undefined> {
  return headers.tip().then(
    ({ hash }) => hash,
    () => undefined,
  )
}

/** Each block is looked up once for one answer. */
function remembering(headers: Headers): Headers {
  return {
    tip: headers.tip,
    rootAt: once(headers.rootAt),
    blockAt: once(headers.blockAt),
  }
}

function once<Found>(find: (height: number) => Promise<Found>): (height: number) => Promise<Found> {
  const found = new Map<number, Promise<Found>>()
  return height => {
    const one = found.get(height) ?? find(height)
    found.set(height, one)
    return one
  }
}
