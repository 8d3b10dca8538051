import type { Reader } from '../../core/registry/may-read.ts'
import type { KnownVersion, VersionPage, VersionPosition } from '../../serve/known-version.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { ownLog, successorsOf } from './lineage-sql.ts'
import { readableSql, readerValues } from './readable.ts'

export type VersionQuestion = { readonly versionId: string } | { readonly datasetId: string }

/** Versions that are looked at for one page, whether they may be read or not. */
export const VERSIONS_LOOKED_MAX = 2_000
const DECLARATIONS_SHOWN_MAX = 8
const SUPERSEDED_SHOWN_MAX = 8

/**
 * Versions from the commit on that makes them known, which for a certified one is that of its certificate; the latest
 * first. Where one is about a packet of this node, whoever may not read the stream does not learn that it is there.
 */
export async function resolveVersions(
  db: Queryable,
  reader: Reader,
  question: VersionQuestion,
  { limit, below }: { readonly limit: number; readonly below: VersionPosition | null },
): Promise<VersionPage> {
  const rows =
    'versionId' in question
      ? await findOne(db, reader, question.versionId)
      : await findSome(db, reader, question.datasetId, { limit, below })
  const fitting = rows.filter(({ fits }) => fits)
  const page = fitting.slice(0, limit)
  // Where none of them may be read, nothing says that there are any, and so nothing leads on.
  const end = fitting.length > 0 ? rows.find(({ isLast }) => isLast) : undefined
  const last = fitting.length > limit ? page.at(-1) : end
  return {
    items: await showVersions(
      db,
      page.map(({ versionId }) => versionId),
    ),
    below: last === undefined ? null : { knownMs: last.knownMs, versionId: last.versionId },
  }
}

type FoundVersion = VersionPosition & { readonly fits: boolean; readonly isLast: boolean }

const streamOf = `
  select opened.stream_id from (
      select partition_id from packets where packet_id = listed.packet_id
      union all select partition_id from aggregates where aggregate_id = listed.packet_id) as about
    join partitions as opened on opened.id = about.partition_id`
const mayBeRead = `(listed.standing = 'declared' or exists (
  select from (${streamOf}) as place join streams as stream on stream.stream_id = place.stream_id
    where ${readableSql('stream', 1)}))`

async function findOne(db: Queryable, reader: Reader, versionId: string): Promise<FoundVersion[]> {
  const { rows } = await db.query<FoundVersion>({
    name: 'find-version',
    text: `select encode(version_id, 'hex') as "versionId", known_ms as "knownMs", true as fits, false as "isLast"
      from dlm_versions as listed where version_id = $3 and ${mayBeRead}`,
    values: [...readerValues(reader), bytea(versionId)],
  })
  return rows
}

async function findSome(
  db: Queryable,
  reader: Reader,
  datasetId: string,
  { limit, below }: { readonly limit: number; readonly below: VersionPosition | null },
): Promise<FoundVersion[]> {
  const { rows } = await db.query<FoundVersion>({
    name: 'find-versions',
    text: `
      select encode(version_id, 'hex') as "versionId", known_ms as "knownMs", fits, nth = $7 as "isLast" from (
        select version_id, known_ms, ${mayBeRead} as fits, row_number() over () as nth from (
          select version_id, known_ms, standing, packet_id from dlm_versions
            where dataset_id = $3 and (known_ms, version_id) < ($5::bigint, $6::bytea)
            order by known_ms desc, version_id desc limit $7::bigint) as listed) as each
      where fits or nth = $7 limit $4::integer + 1`,
    values: [
      ...readerValues(reader),
      datasetId,
      limit,
      below?.knownMs ?? Number.MAX_SAFE_INTEGER,
      bytea(below?.versionId ?? ''),
      VERSIONS_LOOKED_MAX,
    ],
  })
  return rows
}

/** What is known of versions that were found for a reader, in the order in which they are given. */
async function showVersions(db: Queryable, versionIds: readonly string[]): Promise<KnownVersion[]> {
  if (versionIds.length === 0) return []
  const { rows } = await db.query<KnownVersion>({
    name: 'show-versions',
    text: `select encode(listed.version_id, 'hex') as "versionId", listed.dataset_id as "datasetId",
        array(select encode(parent, 'hex') from dlm_parents
          where version_id = listed.version_id order by place) as parents,
        encode(listed.content_hash, 'hex') as "contentHash", listed.created_at as "createdAt",
        encode(listed.producer_key, 'hex') as "producerKey", listed.standing, listed.known_ms as "knownMs",
        (${streamOf} limit 1) as "streamId", encode(listed.packet_id, 'hex') as "packetId",
        (select json_build_object('txid', encode(mine.txid, 'hex'), 'vout', mine.vout, 'state', mine.state,
            'level', mine.level, 'blockHeight', mine.block_height, 'revokedBy', encode(mine.revoked_by, 'hex'))
          from certificates as mine where mine.version_id = listed.version_id
          order by mine.state in ('anchored', 'proven') desc, mine.written_ms desc, mine.txid limit 1) as certificate,
        array(select encode(after.version_id, 'hex') from (${successorsOf}) as after
          order by after.admitted_ms, after.txid, after.vout limit ${SUPERSEDED_SHOWN_MAX}) as "supersededBy",
        coalesce((select json_agg(said) from (
          select encode(declared.txid, 'hex') as txid, declared.status, declared.height
            from declarations as declared where declared.version_id = listed.version_id
            order by declared.declared_ms, declared.txid limit ${DECLARATIONS_SHOWN_MAX}) as said), '[]') as declarations
      from unnest($1::bytea[]) with ordinality as asked (version_id, nth) ${ownLog}
      join dlm_versions as listed on listed.version_id = asked.version_id
      order by asked.nth`,
    values: [byteas(versionIds)],
  })
  return rows
}
