import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fusedObservations } from '../../migrations/039-fused-observations.ts'
import { noteFused } from '../../src/adapters/certificates/note-fused.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { bytea, inTransaction } from '../../src/adapters/postgres/sql.ts'
import { digestHex } from '../../src/core/digest.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

const hash = (what: string) => digestHex('assay:test:1', what)

describe('whose word an event rests on', () => {
  let database: Database
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  const relationsOf = async (eventId: string) => {
    const { rows } = await database.pool.query(
      `select source_id, relation, reason from event_source_relations_of($1) order by source_id, relation`,
      [eventId],
    )
    return rows
  }

  test('is said of what was fused once its packet has the version that says so, and once only', async () => {
    const { pool } = database
    const [packetId, versionId] = [hash('packet'), hash('version')]
    const [chosen, other] = [hash('chosen'), hash('other')]
    const fused = [
      {
        chosen,
        observations: [
          { eventId: chosen, sourceId: 'a', reason: null },
          { eventId: other, sourceId: 'b', reason: 'disagrees' },
        ],
      },
      { chosen: null, observations: [{ eventId: hash('third'), sourceId: 'a', reason: 'no-quorum' }] },
    ]
    for (let time = 0; time < 2; time++) await noteFused(pool, { packetId, versionId, fused }, 1_000)
    await noteFused(pool, { packetId, versionId: hash('another'), fused }, 1_000)
    expect(await relationsOf(chosen)).toEqual([])

    await standing(packetId, versionId)
    const rows = [
      { source_id: 'a', relation: 'fused', reason: null },
      { source_id: 'b', relation: 'overruled', reason: 'disagrees' },
    ]
    expect(await relationsOf(chosen)).toEqual(rows)
    expect(await relationsOf(other)).toEqual([rows[1]])
    expect(await relationsOf(hash('third'))).toEqual([
      { source_id: 'a', relation: 'overruled', reason: 'no-quorum' },
    ])
  })

  test('is found by event and by source from indexes', async () => {
    const { pool } = database
    await pool.query(`insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at,
        line_bytes, source_id, event_type)
      select sha256(n::text::bytea), 1, 0, n, n, to_timestamp(n), 0, 0, 1, 'source ' || n % 1000, 'reading'
        from generate_series(1, 60000) as n`)
    await pool.query(`insert into fused_observations (version_id, record, place, packet_id, chosen, observation_id,
        source_id, noted_ms)
      select sha256((n / 100)::text::bytea), n % 100, 0, sha256('p'), sha256(n::text::bytea), sha256(n::text::bytea),
          'source ' || n % 1000, n
        from generate_series(1, 60000) as n`)
    await pool.query('analyze projected_events; analyze fused_observations')
    const plans = [
      await plan('select * from event_source_relations_of($1)', hash('chosen')),
      await plan(`select * from event_source_relations where source_id = $1`, 'source 7'),
    ]
    for (const steps of plans) {
      expect(steps).toMatch(/Index Scan.* on projected_events/)
      expect(steps).toMatch(/Scan.* on fused_observations_by_/)
      expect(steps).not.toMatch(/Seq Scan on (?:projected_events|fused_observations)/)
    }
  })

  test('can be asked as before where the migration is taken back', async () => {
    await fusedObservations.down(database.knex)
    const { fields } = await database.pool.query('select * from event_source_relations limit 0')
    expect(fields.map(({ name }) => name)).toEqual([
      'event_id',
      'source_id',
      'relation',
      'observation_id',
      'created_at',
    ])
    await fusedObservations.up(database.knex)
  })

  async function plan(question: string, value: string): Promise<string> {
    const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(`explain ${question}`, [value])
    return rows.map(row => row['QUERY PLAN']).join('\n')
  }

  /** Of a packet that the log has not got: all that matters is which version it has. */
  async function standing(packetId: string, versionId: string): Promise<void> {
    await inTransaction(database.pool, async db => {
      await db.query('set local session_replication_role = replica')
      await db.query({
        text: `insert into packet_standings (packet_id, partition_id, packet_no, level, audience, roster_digest, events,
            bytes, document_bytes, sealed_ms, status, version_id, changed_ms)
          values ($1, 1, 0, 'basic', 'public', sha256('r'), 1, 1, 1, 0, 'certified', $2, 0)`,
        values: [bytea(packetId), bytea(versionId)],
      })
    })
  }
})
