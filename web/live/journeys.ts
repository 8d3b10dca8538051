/** Neighbours of one partition that this page heard of at one time. */
type Span = { readonly first: number; readonly last: number; readonly heardMs: number }

const SPANS_MAX = 400
const PARTITIONS_MAX = 128
const PACKETS_MAX = 400

/**
 * When this page heard of which sequences, for as long as they are under way: how long events take is counted from there. What
 * is too much is forgotten, the oldest first; then their waits are not counted.
 */
export type Journeys = {
  began(partition: string, first: number, last: number, heardMs: number): void
  /** Where a packet begins, told at the stages that name sequences. */
  packet(packetId: string, firstSeq: number): void
  /** The sequence of a packet's line, where the packet is known. */
  seqOf(packetId: string, line: number): number | undefined
  /** For those of them that were heard of: how many, and since when. */
  waits(partition: string, first: number, last: number): readonly { events: number; heardMs: number }[]
  /** Nobody asks for these any more. */
  ended(partition: string, last: number): void
}

export function openJourneys(): Journeys {
  const partitions = new Map<string, Span[]>()
  const packets = new Map<string, number>()
  return {
    began(partition, first, last, heardMs) {
      const spans = partitions.get(partition) ?? []
      if (!partitions.has(partition)) keepWithin(partitions, PARTITIONS_MAX - 1)
      partitions.set(partition, spans)
      spans.push({ first, last, heardMs })
      if (spans.length > SPANS_MAX) spans.shift()
    },
    packet(packetId, firstSeq) {
      if (packets.has(packetId)) return
      keepWithin(packets, PACKETS_MAX - 1)
      packets.set(packetId, firstSeq)
    },
    seqOf(packetId, line) {
      const firstSeq = packets.get(packetId)
      return firstSeq === undefined ? undefined : firstSeq + line
    },
    waits(partition, first, last) {
      return (partitions.get(partition) ?? []).flatMap(span => {
        const events = Math.min(span.last, last) - Math.max(span.first, first) + 1
        return events > 0 ? [{ events, heardMs: span.heardMs }] : []
      })
    },
    ended(partition, last) {
      const left = (partitions.get(partition) ?? []).filter(span => span.last > last)
      if (left.length === 0) partitions.delete(partition)
      else partitions.set(partition, left)
    },
  }
}

function keepWithin(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
