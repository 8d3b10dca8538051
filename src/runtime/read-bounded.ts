import { concatAll } from '../core/bytes.ts'

/** The body of an answer to us; throws, and hangs up, where it is longer than it may be. */
export async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`)
    parts.push(part)
  }
  return concatAll(parts)
}
