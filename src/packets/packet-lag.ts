import { eventTimeIn, ingestTimeIn } from '../core/event/scan-line.ts'
import { sampleLines } from './packet-lines.ts'

/** How long after they happened events were taken in, in milliseconds; below 0 where a clock runs ahead. */
export type PacketLag = readonly number[]

/** So many events of a packet tell enough about all of them. */
const SAMPLES = 64

export function packetLag(bytes: Uint8Array): PacketLag {
  const lags: number[] = []
  for (const line of sampleLines(bytes, SAMPLES)) {
    const [eventMs, ingestMs] = [eventTimeIn(line), ingestTimeIn(line)]
    if (eventMs !== undefined && ingestMs !== undefined) lags.push(ingestMs - eventMs)
  }
  return lags
}
