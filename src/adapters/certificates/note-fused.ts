import type { FusedVersion } from '../../certify/ports.ts'
import { bytea, byteas, numbers, type Queryable, texts } from '../postgres/sql.ts'

/** Rows of one statement: an observation is in one window, but one packet may close windows of many. */
const ROWS_MAX = 5_000

/** Beside the certificate and not with it, so that what pays for certificates is not kept waiting by it. */
export async function noteFused(
  db: Queryable,
  { packetId, versionId, fused }: FusedVersion,
  nowMs: number,
): Promise<void> {
  const rows = fused.flatMap(({ chosen, observations }, record) =>
    observations.map((observation, place) => ({ ...observation, chosen, record, place })),
  )
  for (let first = 0; first < rows.length; first += ROWS_MAX) {
    const some = rows.slice(first, first + ROWS_MAX)
    await db.query({
      name: 'note-fused',
      text: `insert into fused_observations
          (version_id, packet_id, noted_ms, record, place, chosen, observation_id, source_id, reason)
        select $1, $2, $3, record, place, chosen, observation_id, source_id, reason
          from unnest($4::int[], $5::int[], $6::bytea[], $7::bytea[], $8::text[], $9::text[])
            as noted (record, place, chosen, observation_id, source_id, reason)
        on conflict do nothing`,
      values: [
        bytea(versionId),
        bytea(packetId),
        nowMs,
        numbers(some.map(({ record }) => record)),
        numbers(some.map(({ place }) => place)),
        some.map(({ chosen }) => chosen && bytea(chosen)),
        byteas(some.map(({ eventId }) => eventId)),
        texts(some.map(({ sourceId }) => sourceId)),
        some.map(({ reason }) => reason),
      ],
    })
  }
}
