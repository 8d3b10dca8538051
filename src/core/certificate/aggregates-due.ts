import { AGGREGATE_PACKETS_MAX, type AggregateKind } from './aggregate.ts'

/** What a stream asks to have said over its packets. */
export type AggregatePlan = {
  readonly windowMs: number
  /** Windows of one rollup; undefined: none are made. */
  readonly rollupEvery: number | undefined
}

/** A packet of one partition, as its header and its standing say. */
export type AggregatedPacket = {
  readonly packetNo: number
  /** Null where it has no events. */
  readonly firstEventMs: number | null
  readonly watermarkMs: number
  /** Of a certificate that counts now; null: it has none, and is not expected to get one. Undefined: not decided. */
  readonly versionId: string | null | undefined
}

/** A statement that can be made now. */
export type DueRange = {
  readonly kind: AggregateKind
  readonly firstPacketNo: number
  readonly lastPacketNo: number
  /** Of event time. */
  readonly fromMs: number
  readonly toMs: number
}

/**
 * The next window of a partition: `packets` are all from where the last one ended, in order. It ends before the first
 * packet whose events begin after it, and once no more are expected; a packet that came late is in the one that is open.
 * Undefined: not yet.
 */
export function nextWindow(
  packets: readonly AggregatedPacket[],
  { windowMs }: AggregatePlan,
): DueRange | undefined {
  const begins = packets.find(({ firstEventMs }) => firstEventMs !== null)?.firstEventMs
  const [first] = packets
  if (first === undefined || begins === undefined || begins === null) return undefined
  const fromMs = Math.floor(begins / windowMs) * windowMs
  const toMs = fromMs + windowMs
  const beyond = packets.findIndex(({ firstEventMs }) => firstEventMs !== null && firstEventMs >= toMs)
  const inside = packets.slice(0, beyond < 0 ? packets.length : beyond)
  const isFull = inside.length >= AGGREGATE_PACKETS_MAX
  const range = inside.slice(0, AGGREGATE_PACKETS_MAX)
  const isPassed = packets.some(({ watermarkMs }) => watermarkMs >= toMs)
  const last = range.at(-1)
  if (last === undefined || !(isFull || isPassed) || !range.every(isDecided)) return undefined
  return { kind: 'window', firstPacketNo: first.packetNo, lastPacketNo: last.packetNo, fromMs, toMs }
}

function isDecided({ versionId }: AggregatedPacket): boolean {
  return versionId !== undefined
}

export type SettledWindow = Omit<DueRange, 'kind'> & { readonly isSettled: boolean }

/** The next rollup: `windows` are all from where the last one ended, in order. Fewer where they would hold too much. */
export function nextRollup(
  windows: readonly SettledWindow[],
  { rollupEvery }: AggregatePlan,
): DueRange | undefined {
  if (rollupEvery === undefined) return undefined
  const candidates = windows.slice(0, rollupEvery)
  const [first] = candidates
  if (first === undefined) return undefined
  const fitting = candidates.filter(
    ({ lastPacketNo }) => lastPacketNo - first.firstPacketNo < AGGREGATE_PACKETS_MAX,
  )
  const last = fitting.at(-1)
  const isWhole = candidates.length === rollupEvery || fitting.length < candidates.length
  if (last === undefined || !isWhole || !fitting.every(({ isSettled }) => isSettled)) return undefined
  const { firstPacketNo, fromMs } = first
  return { kind: 'rollup', firstPacketNo, lastPacketNo: last.lastPacketNo, fromMs, toMs: last.toMs }
}
