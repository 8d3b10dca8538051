import { concatAll } from '../core/bytes.ts'

/** The body of an answer to us; throws, and hangs up, where it is longer than it may be. */
export async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  // Not `for await`: there are browsers whose streams cannot be gone through.
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
    length += read.value.length
    if (length > bytesMax) {
      const why = new Error(`the answer is longer than ${bytesMax} bytes`)
      await reader?.cancel(why)
      throw why
    }
    parts.push(read.value)
  }
  return concatAll(parts)
}
