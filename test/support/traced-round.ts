import { bytea } from '../../src/adapters/postgres/sql.ts'
import { projectionBounds, projectSome } from '../../src/adapters/projections/project.ts'
import { nodeHolder } from '../../src/adapters/uhrp/holder.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import type { Envelope } from '../../src/core/event/envelope.ts'
import { readLine } from '../../src/core/event/line.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type CertificatesBed, certificatesBed } from '../adapters/certificates/certificates-bed.ts'
import type { RoundOptions, RoundPacket } from './certified-round.ts'
import type { DecidedRound } from './decided-round.ts'
import { until } from './until.ts'

/** A decided round whose events stand in the log as ingest has left them, and can be found; a test lets it be certified. */
export type TracedRound = {
  readonly bed: CertificatesBed
  readonly decided: DecidedRound
  readonly packets: readonly RoundPacket[]
  /** Of line `index` of packet `member`. */
  event(member: number, index: number): Envelope
  /** Resolves once the network has the certificate. */
  certify(): Promise<void>
  /** Resolves once a block has it. */
  prove(): Promise<void>
  query(text: string, ...values: readonly unknown[]): Promise<Record<string, unknown>[]>
  end(): Promise<void>
}

/** What agents took, in a bed whose clocks stand still. */
export const OFFERED_MS = 1_780_000_010_000
export const PROCESSING_MS = 45

export async function tracedRound(options: RoundOptions = {}): Promise<TracedRound> {
  const bed = await certificatesBed()
  await bed.fill()
  const decided = await bed.decide(options)
  const { packets } = decided.round
  const { pool } = bed.bed.database
  await pool.query('update round_seats set offered_ms = $1, acknowledged_ms = $1', [OFFERED_MS])
  await pool.query('update round_results set arrived_ms = $1', [OFFERED_MS + PROCESSING_MS])
  await pool.query('update round_jobs set made_ms = $1, seen_ms = $1, decided_ms = $2', [
    OFFERED_MS - 10,
    OFFERED_MS + PROCESSING_MS,
  ])
  for (const packet of packets) await writeSegment(bed, packet)
  while ((await projectSome(pool, projectionBounds, OFFERED_MS)).isMore);
  const state = (wanted: string) =>
    until(async () => {
      const { rows } = await pool.query('select from packet_states where state = $1', [wanted])
      if (wanted === 'proven' && rows.length < packets.length) await bed.bed.chain.mine()
      return rows.length === packets.length
    })
  return {
    bed,
    decided,
    packets,
    event(member, index) {
      const packet = packets[member]
      const line =
        Buffer.from(packet?.bytes ?? [])
          .toString()
          .split('\n')[index] ?? ''
      return orThrow(readLine(line, packet?.header.constants ?? {}))
    },
    async certify() {
      bed.start()
      await state('anchored')
    },
    async prove() {
      await state('proven')
    },
    query: (text, ...values) => bed.rows(text, ...values),
    end: () => bed.close(),
  }
}

/** One append for each packet, and its bytes in the store, as sealing leaves them. */
async function writeSegment(bed: CertificatesBed, { header, packetId, bytes }: RoundPacket): Promise<void> {
  const { pool } = bed.bed.database
  const { packetNo, firstSeq, count, policyDigest, constants, sources } = header
  await pool.query(
    `insert into segments (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined, waived,
        policy_digest, constants, sources, first_event_ms, last_event_ms, appended_ms, lines)
      select partition_id, $2, $3, $4, $4, 0, 0, 0, 0, $5, $6, $7, $8, $9, $9, $10 from packets where packet_id = $1`,
    [
      ...[bytea(packetId), packetNo, firstSeq, count, bytea(policyDigest)],
      ...[canonicalJson(constants), canonicalJson(sources), header.firstEventTimeMs, header.lastEventTimeMs],
      Buffer.from(bytes),
    ],
  )
  await pool.query(
    `insert into partition_heads (partition_id, next_append, next_seq, next_packet)
        select partition_id, $2, $3, $2 from packets where packet_id = $1
      on conflict (partition_id) do update set next_append = $2, next_seq = $3, next_packet = $2`,
    [bytea(packetId), packetNo + 1, firstSeq + count],
  )
  orThrow(
    await bed.content.put(bytes, {
      holder: nodeHolder('packets'),
      audience: 'public',
      advertise: false,
      retainUntilMs: 253_402_214_400_000,
    }),
  )
}
