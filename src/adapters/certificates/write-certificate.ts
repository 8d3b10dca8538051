import type { Pool } from 'pg'
import type { DueMember, RoundLease, UnpaidCertificate, Written } from '../../certify/ports.ts'
import type { Fuel } from '../fuel/fuel.ts'
import { isRefusedValue } from '../postgres/refused-value.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'

type WriteDeps = { readonly pool: Pool; readonly fuel: Pick<Fuel, 'write'> }

/** Stored with all that follows from it, or not at all; and only by whoever still has the round. */
export async function writeCertificate(
  lease: RoundLease,
  certificate: UnpaidCertificate,
  deps: WriteDeps,
): Promise<Written> {
  try {
    return await write(lease, certificate, deps)
  } catch (error) {
    // Tried again it would be refused again, and its packets would wait for ever.
    if (isRefusedValue(error)) return { kind: 'unreadable', why: `it cannot be stored: ${error.message}` }
    throw error
  }
}

async function write(
  { roundId, token }: RoundLease,
  { purpose, unpaid, members, nowMs }: UnpaidCertificate,
  { pool, fuel }: WriteDeps,
): Promise<Written> {
  return inTransaction<Written>(
    pool,
    async db => {
      const { rows } = await db.query<{ template: string; level: string }>({
        name: 'certify-fence',
        text: `select template, level from rounds
          where round_id = $1 and lease_token = $2 and state = 'certifying' and not in_flight for update`,
        values: [bytea(roundId), token],
      })
      const [round] = rows
      if (round === undefined) return { kind: 'lost' }
      const paid = await fuel.write(purpose, unpaid, db)
      if (!paid.ok) return { kind: 'refused', fault: paid.fault }
      const transaction = paid.value
      await writeVersions(db, members, nowMs)
      await db.query({
        name: 'certify-write',
        text: `insert into certificates
            (txid, vout, round_id, index, template, level, packet_id, version_id, state, written_ms)
          select $1, 2 * place - 1, $2, member.index, $3, $4, member.packet_id, member.version_id, 'written', $8
            from unnest($5::int[], $6::bytea[], $7::bytea[])
              with ordinality as member (index, packet_id, version_id, place)
          on conflict do nothing`,
        values: [
          bytea(transaction.txid),
          bytea(roundId),
          round.template,
          round.level,
          members.map(({ index }) => index),
          byteas(members.map(({ packetId }) => packetId)),
          byteas(members.map(({ versionId }) => versionId)),
          nowMs,
        ],
      })
      await db.query({
        name: 'certify-wrote',
        text: `update rounds set last_tx = $2, in_flight = true, coordinator = null, lease_until_ms = 0,
          last_error = null where round_id = $1`,
        values: [bytea(roundId), bytea(transaction.txid)],
      })
      return { kind: 'written', transaction }
    },
    { keep: ({ kind }) => kind === 'written' },
  )
}

async function writeVersions(db: Queryable, members: readonly DueMember[], nowMs: number): Promise<void> {
  await db.query({
    name: 'certify-versions',
    // Somebody may have declared it before us: then the same manifest, since it has the same hash.
    text: `insert into dlm_versions as known (version_id, standing, manifest, dataset_id, content_hash, producer_key,
        packet_id, created_at, known_ms)
      select version_id, 'certified', manifest, dataset_id, content_hash, producer_key, packet_id, created_at, $4
        from unnest($1::bytea[], $2::text[], $3::bytea[], $5::text[], $6::bytea[], $7::bytea[], $8::text[])
          as member (version_id, manifest, packet_id, dataset_id, content_hash, producer_key, created_at)
      on conflict (version_id) do update
        set standing = 'certified', manifest = excluded.manifest, packet_id = excluded.packet_id
        where known.standing <> 'certified'`,
    values: [
      byteas(members.map(({ versionId }) => versionId)),
      members.map(({ manifestJson }) => manifestJson),
      byteas(members.map(({ packetId }) => packetId)),
      nowMs,
      members.map(({ manifest }) => manifest.datasetId),
      byteas(members.map(({ manifest }) => manifest.content.contentHash)),
      byteas(members.map(({ manifest }) => manifest.provenance.producer.identityKey)),
      members.map(({ manifest }) => manifest.provenance.createdAt),
    ],
  })
  const links = members.flatMap(({ versionId, manifest }) =>
    manifest.lineage.parents.map((parent, place) => ({ versionId, parent, place })),
  )
  await db.query({
    name: 'certify-parents',
    text: `insert into dlm_parents (version_id, place, parent)
      select * from unnest($1::bytea[], $2::int[], $3::bytea[]) on conflict do nothing`,
    values: [
      byteas(links.map(({ versionId }) => versionId)),
      links.map(({ place }) => place),
      byteas(links.map(({ parent }) => parent)),
    ],
  })
}
