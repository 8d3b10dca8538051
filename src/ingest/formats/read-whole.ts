import { accepted, FaultError, type Outcome, refused } from '../../core/fault.ts'
import type { ReceivedItem } from '../arrived.ts'
import { readBinaryCloudEvent } from './binary-cloud-event.ts'
import type { BodyFormat, StreamedFormat } from './body-format.ts'
import { readCloudEvent, readCloudEventBatch, readJsonBody } from './json-body.ts'
import { RECORD_BYTES_MAX, WHOLE_BODY_BYTES_MAX, WHOLE_BODY_ITEMS_MAX } from './limits.ts'
import { takerOf } from './taker-of.ts'
import type { ReadOptions, WholeBody } from './whole-body.ts'
import { takeWhole } from './windows.ts'

/** All items of a body, each judged alone; a fault only where the body as a whole cannot be read. */
export function readWhole(bytes: Uint8Array, format: BodyFormat, options: ReadOptions): Outcome<WholeBody> {
  const {
    headers,
    shape,
    bytesMax = WHOLE_BODY_BYTES_MAX,
    itemsMax = WHOLE_BODY_ITEMS_MAX,
    recordBytesMax = RECORD_BYTES_MAX,
  } = options
  if (bytes.length > bytesMax)
    return refused(
      'body-too-large',
      `the body has ${bytes.length} bytes and ${bytesMax} are read at once; send less, or any number of events as NDJSON`,
    )
  switch (format.kind) {
    case 'json':
      return readJsonBody(bytes, { shape, itemsMax })
    case 'cloud-event':
      return readCloudEvent(bytes)
    case 'cloud-event-batch':
      return readCloudEventBatch(bytes, itemsMax)
    case 'cloud-event-binary':
      return accepted({ items: [readBinaryCloudEvent(bytes, headers, recordBytesMax)] })
    case 'ndjson':
    case 'csv': {
      const steps = readRecords(bytes, format, { ...options, itemsMax, recordBytesMax })
      for (;;) {
        const step = steps.next()
        if (step.done) return step.value
      }
    }
  }
}

/** The same, resting between its steps where there are many: some lines take seconds to read. */
export async function readWholeInTurns(
  bytes: Uint8Array,
  format: BodyFormat,
  options: ReadOptions,
  rest: () => Promise<void> | undefined,
): Promise<Outcome<WholeBody>> {
  const {
    bytesMax = WHOLE_BODY_BYTES_MAX,
    itemsMax = WHOLE_BODY_ITEMS_MAX,
    recordBytesMax = RECORD_BYTES_MAX,
  } = options
  const isInSteps = (format.kind === 'ndjson' || format.kind === 'csv') && bytes.length <= bytesMax
  if (!isInSteps) return readWhole(bytes, format, options)
  const steps = readRecords(bytes, format, { ...options, itemsMax, recordBytesMax })
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    const turn = rest()
    if (turn !== undefined) await turn
  }
}

type RecordOptions = ReadOptions & { readonly itemsMax: number; readonly recordBytesMax: number }

/** Yields after each window of the body. */
function* readRecords(
  bytes: Uint8Array,
  format: StreamedFormat,
  options: RecordOptions,
): Generator<undefined, Outcome<WholeBody>> {
  const { shape, itemsMax, recordBytesMax } = options
  const items: ReceivedItem[] = []
  try {
    for (const taken of takeWhole(takerOf(format, recordBytesMax, shape), bytes, recordBytesMax)) {
      for (const item of taken.items) items.push(item)
      if (items.length > itemsMax)
        return refused('body-too-large', `the body holds more than ${itemsMax} events; send fewer at once`)
      yield
    }
  } catch (error) {
    if (error instanceof FaultError) return { ok: false, fault: error.fault }
    throw error
  }
  return accepted({ items })
}
