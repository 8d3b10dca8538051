import { eventTimeIn, ingestTimeIn } from '../core/event/scan-line.ts'
import type { SealedPacket } from '../core/log/packet.ts'
import { linesIn } from './packet-lines.ts'

/** How long after they happened events were taken in, in milliseconds; below 0 where a clock runs ahead. */
export type PacketLag = readonly number[]

/** So many events of a packet tell enough about all of them. */
const SAMPLES_MAX = 64

export function packetLag({ header, bytes }: Pick<SealedPacket, 'header' | 'bytes'>): PacketLag {
  const every = Math.ceil(header.count / SAMPLES_MAX)
  const lags: number[] = []
  let i = 0
  for (const line of linesIn(bytes, n => n % every === 0)) {
    i += 1
    const [eventMs, ingestMs] = [eventTimeIn(line), ingestTimeIn(line)]
    if (eventMs !== undefined && ingestMs !== undefined) lags.push(ingestMs - eventMs)
    if (i === SAMPLES_MAX) break
  }
  return lags
}
