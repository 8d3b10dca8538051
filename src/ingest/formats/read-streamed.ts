import type { Shape } from '../../core/event/adapters/recognize.ts'
import type { ReceivedItem } from '../arrived.ts'
import type { StreamedFormat } from './body-format.ts'
import { BATCH_BYTES_MAX, BATCH_ITEMS_MAX, RECORD_BYTES_MAX } from './limits.ts'
import { takerOf } from './taker-of.ts'
import { windowReader } from './windows.ts'

export type StreamOptions = {
  readonly shape?: Shape
  readonly itemsMax?: number
  readonly bytesMax?: number
  readonly recordBytesMax?: number
}

/**
 * The items of a body as they come, in batches, in memory that does not grow with the body. What is wrong with one
 * item is that item's; a FaultError is thrown where there can be none (CSV without a header), and whatever the
 * chunks throw.
 */
export async function* readStreamed(
  chunks: AsyncIterable<Uint8Array>,
  format: StreamedFormat,
  options: StreamOptions = {},
): AsyncGenerator<readonly ReceivedItem[]> {
  const {
    shape,
    itemsMax = BATCH_ITEMS_MAX,
    bytesMax = BATCH_BYTES_MAX,
    recordBytesMax = RECORD_BYTES_MAX,
  } = options
  const reader = windowReader(takerOf(format, recordBytesMax, shape), recordBytesMax)
  let batch: ReceivedItem[] = []
  let bytes = 0

  function* take(part: ReturnType<typeof reader.end>): Generator<readonly ReceivedItem[]> {
    for (const taken of part) {
      for (const item of taken.items) {
        batch.push(item)
        if (batch.length >= itemsMax) yield* hand()
      }
      bytes += taken.used
      if (bytes >= bytesMax) yield* hand()
    }
  }

  function* hand(): Generator<readonly ReceivedItem[]> {
    if (batch.length > 0) yield batch
    batch = []
    bytes = 0
  }

  for await (const chunk of chunks) yield* take(reader.push(chunk))
  yield* take(reader.end())
  yield* hand()
}
