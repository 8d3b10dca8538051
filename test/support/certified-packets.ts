import { sha256Hex } from '#sha256'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { LOG_KEY, type LogBed } from './log-bed.ts'

export type CertifiedPacketRow = {
  readonly versionId: string
  readonly contentHash: string
  readonly packetId: string
}

/**
 * Rows as sealing and certifying leave them: one packet of all that each partition of a stream holds, and its version. What
 * has become of packets is written later, once the network has their certificate.
 */
export async function certifyAll(
  { database: { pool }, clock }: Pick<LogBed, 'database' | 'clock'>,
  streamId: string,
  { isAnchored = false } = {},
): Promise<CertifiedPacketRow[]> {
  const { rows } = await pool.query<{ id: number; endSeq: number; endAppend: number }>(
    `select opened.id, head.next_seq as "endSeq", head.next_append as "endAppend"
      from partitions as opened join partition_heads as head on head.partition_id = opened.id
      where opened.stream_id = $1 and head.next_seq > 0 order by opened.id`,
    [streamId],
  )
  const made: CertifiedPacketRow[] = []
  for (const { id, endSeq, endAppend } of rows) {
    const of = (what: string) => sha256Hex(`${what} ${streamId} ${id}`)
    const row = { packetId: of('packet'), versionId: of('version'), contentHash: of('content') }
    await pool.query(
      `insert into seal_marks (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest,
          roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms)
        values ($1, 0, $2, $3, $4, $5, $5, $2, 0, 0, 0, 0, 'time', $4)`,
      [id, endSeq, endAppend, clock.ms, bytea(of('policy'))],
    )
    await pool.query(
      `insert into packets (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
        values ($1, 0, $2, '{}', 0, $3, 1, $4, $5)`,
      [id, bytea(row.packetId), endSeq, bytea(of('raw')), clock.ms],
    )
    await declareVersion({ database: { pool }, clock }, streamId, row)
    if (isAnchored)
      await pool.query(
        `insert into packet_states (partition_id, packet_no, state, ingested_at, content_hash, version_id, changed_at)
          values ($1, 0, 'anchored', now(), $2, $3, to_timestamp($4::double precision / 1000))`,
        [id, bytea(row.contentHash), bytea(row.versionId), clock.ms],
      )
    made.push(row)
  }
  return made
}

async function declareVersion(
  { database: { pool }, clock }: { database: Pick<LogBed['database'], 'pool'>; clock: LogBed['clock'] },
  streamId: string,
  { versionId, contentHash, packetId }: CertifiedPacketRow,
): Promise<void> {
  await pool.query(
    `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, packet_id, created_at, known_ms)
      values ($1, 'certified', '{}', $2, $3, $4, '2027-01-15T08:00:00.000Z', $5)`,
    [bytea(versionId), `${LOG_KEY}/${streamId}`, bytea(contentHash), bytea(packetId), clock.ms],
  )
}
