import fc from 'fast-check'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../../../src/core/event/line.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { PartitionRecord, SealMark, Segment } from '../../../src/core/log/entries.ts'
import { type SealedPacket, sealPacket } from '../../../src/core/log/packet.ts'
import type { PacketHeader, Totals } from '../../../src/core/log/packet-header.ts'
import { sampleEnvelope } from '../event/sample-envelope.ts'

export const record: PartitionRecord = {
  v: 1,
  log: `02${'11'.repeat(32)}`,
  streamId: 'sensors.temperature',
  partition: 3,
  level: 'enhanced',
  audience: 'public',
  network: 'local',
  shards: { by: 'event-id', index: 1, count: 2 },
}

const constants: LineConstants = { schemaVersion: 1, streamId: 'sensors.temperature', domain: 'iot' }

export function sampleEvent(seq: number, change: Partial<Envelope> = {}): Envelope {
  const eventId = seq.toString(16).padStart(64, '0')
  return { ...sampleEnvelope, eventId, eventTimeMs: 1000 + seq, payload: { value: seq }, ...change }
}

export function segmentOf(firstSeq: number, events: readonly Envelope[]): Segment {
  const lines = events.map(event => `${orThrow(eventLine(event, constants))}\n`)
  const times = events.map(event => event.eventTimeMs)
  return {
    partition: record.partition,
    firstSeq,
    count: events.length,
    policyDigest: 'aa'.repeat(32),
    constants,
    firstEventTimeMs: Math.min(...times),
    lastEventTimeMs: Math.max(...times),
    sources: [...new Set(events.map(event => event.sourceId))].map(sourceId => ({
      sourceId,
      authenticated: 'hmac',
    })),
    lines: new TextEncoder().encode(lines.join('')),
  }
}

export function markAt(upToSeq: number, change: Partial<SealMark> = {}): SealMark {
  return {
    partition: record.partition,
    upToSeq,
    watermarkMs: 900 + upToSeq,
    policyDigest: 'aa'.repeat(32),
    rosterDigest: 'bb'.repeat(32),
    totals: totalsOf(upToSeq),
    ...change,
  }
}

export function totalsOf(accepted: number): Totals {
  return { received: accepted + 3, accepted, duplicate: 2, rejected: 1, quarantined: 0, waived: 0 }
}

/** What a log holds between two marks, for one packet after another. */
export type Sealing = { readonly segments: readonly Segment[]; readonly mark: SealMark }

export function sealAll(sealings: readonly Sealing[]): SealedPacket[] {
  let previous: PacketHeader | null = null
  const packets: SealedPacket[] = []
  for (const { segments, mark } of sealings) {
    const packet: SealedPacket = orThrow(sealPacket(record, previous, segments, mark))
    packets.push(packet)
    previous = packet.header
  }
  return packets
}

/** Packets of some segments each; an empty one may follow one with events. */
export const anyLog: fc.Arbitrary<Sealing[]> = fc
  .array(
    fc.record({
      segments: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
      empty: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map(packets => {
    let seq = 0
    return packets.flatMap(({ segments: sizes, empty }) => {
      const segments = sizes.map(size => {
        const events = Array.from({ length: size }, (_, i) =>
          sampleEvent(seq + i, {
            sourceId: `farm-${(seq * 7 + i) % 3}`,
            eventTimeMs: 1000 + (((seq + i) * 37) % 101),
          }),
        )
        seq += size
        return segmentOf(seq - size, events)
      })
      const sealing = { segments, mark: markAt(seq) }
      return empty ? [sealing, { segments: [], mark: markAt(seq, { watermarkMs: 901 + seq }) }] : [sealing]
    })
  })
