import { concatAll } from '../core/bytes.ts'

/**
 * The body of an answer to us; throws, and hangs up, where it is longer than it may be, or the signal says so. To be given the signal that
 * fetch was given: where fetch refuses redirections, Node 20 forgets it once memory is cleared up.
 */
export async function readBounded(
  response: Response,
  bytesMax: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  // Not `for await`: there are browsers whose streams cannot be gone through.
  const reader = response.body?.getReader()
  const hangUp = () => void cancel(reader)
  signal?.addEventListener('abort', hangUp)
  try {
    for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
      length += read.value.length
      if (length > bytesMax) {
        const why = new Error(`the answer is longer than ${bytesMax} bytes`)
        await reader?.cancel(why)
        throw why
      }
      parts.push(read.value)
    }
  } finally {
    signal?.removeEventListener('abort', hangUp)
  }
  // What was hung up on has ended, too.
  signal?.throwIfAborted()
  return concatAll(parts)
}

/** Whoever reads has its end by it. One that has broken by itself says so to whoever reads. */
export async function cancel(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, 'cancel'> | undefined,
): Promise<void> {
  await reader?.cancel().catch(() => undefined)
}
