import type { Pool } from 'pg'
import type {
  CertificatesIndex,
  CertificatesQuery,
  FoundCertificate,
  ListedCertificate,
} from '../../../lookup-services/certificates-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { byAdmission, conditionsOf } from './conditions.ts'
import { type Resettable, spentOutputWrites } from './output-writes.ts'
import { type EventPacket, findPacketOf } from './packet-of-event.ts'

export type PostgresCertificatesIndex = CertificatesIndex & Resettable

/** Its writes take effect with the admission that is being judged. */
export function postgresCertificatesIndex(pool: Pool, questions = pool): PostgresCertificatesIndex {
  return {
    async put({ txid, vout, manifest, ...said }) {
      const row = {
        coordinator: said.coordinator,
        round_id: said.roundId,
        member: said.index,
        template: said.template,
        level: said.level,
        packet_id: said.packetId,
        version_id: said.versionId,
        supersedes: said.supersedes,
        stream_id: manifest?.streamId ?? null,
        partition: manifest?.partition ?? null,
        packet_no: manifest?.packetNo ?? null,
        content_hash: manifest?.contentHash ?? null,
        publisher_key: manifest?.publisherKey ?? null,
        created_ms: manifest?.createdMs ?? null,
        sources: manifest?.sourceIds == null ? null : JSON.stringify(manifest.sourceIds),
        parents: manifest === null ? null : JSON.stringify(manifest.parents),
      }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...row, spent_by: null } })
    },
    ...spentOutputWrites(pool, index, record),
    async find(query) {
      const { eventId } = query
      const packet = eventId === undefined ? undefined : await findPacketOf(questions, eventId)
      if (eventId !== undefined && packet === undefined) return []
      const { rows } = await questions.query<Row>(findStatement(query, packet))
      return foundIn(rows)
    },
  }
}

const index = 'gitdata_certificates'

/**
 * Listing and spending are one statement, whose rows are merged by outpoint first: a certificate may be admitted and spent
 * within one submission, and two statements that run as one do not see each other's rows.
 */
const record = `
  insert into gitdata_certificates as listed
    (txid, vout, coordinator, round_id, index, template, level, packet_id, version_id, supersedes, stream_id, partition,
     packet_no, content_hash, publisher_key, created_ms, sources, parents, spent_by, admitted_ms)
  select said.txid, said.vout, coalesce(said.coordinator, known.coordinator), coalesce(said.round_id, known.round_id),
    coalesce(said.member, known.index), coalesce(said.template, known.template), coalesce(said.level, known.level),
    coalesce(said.packet_id, known.packet_id), coalesce(said.version_id, known.version_id),
    coalesce(said.supersedes, known.supersedes), coalesce(said.stream_id, known.stream_id),
    coalesce(said.partition, known.partition), coalesce(said.packet_no, known.packet_no),
    coalesce(said.content_hash, known.content_hash), coalesce(said.publisher_key, known.publisher_key),
    coalesce(said.created_ms, known.created_ms), coalesce(said.sources, known.sources),
    coalesce(said.parents, known.parents), said.spent_by, $now::bigint
  from (
    select decode(txid, 'hex') as txid, vout, decode(max(coordinator), 'hex') as coordinator,
      decode(max(round_id), 'hex') as round_id, max(member) as member, max(template) as template, max(level) as level,
      decode(max(packet_id), 'hex') as packet_id, decode(max(version_id), 'hex') as version_id,
      decode(max(supersedes), 'hex') as supersedes, max(stream_id) as stream_id, max(partition) as partition,
      max(packet_no) as packet_no, decode(max(content_hash), 'hex') as content_hash,
      decode(max(publisher_key), 'hex') as publisher_key, max(created_ms) as created_ms,
      (select array_agg(each) from jsonb_array_elements_text(max(sources)::jsonb) as each) as sources,
      -- None, and not known, are two things.
      case when max(parents) is not null then coalesce((select array_agg(decode(each, 'hex'))
        from jsonb_array_elements_text(max(parents)::jsonb) as each), '{}') end as parents,
      decode(max(spent_by), 'hex') as spent_by
    from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, coordinator text, round_id text, member integer,
      template text, level text, packet_id text, version_id text, supersedes text, stream_id text, partition integer,
      packet_no bigint, content_hash text, publisher_key text, created_ms bigint, sources text, parents text,
      spent_by text)
    group by given.txid, given.vout
  ) as said
  left join lateral (
    select * from gitdata_certificates as listed
      where said.coordinator is null and listed.txid = said.txid and listed.vout = said.vout limit 1
  ) as known on true
  where coalesce(said.coordinator, known.coordinator) is not null
  order by said.txid, said.vout
  on conflict (txid, vout) do update set spent_by = excluded.spent_by where excluded.spent_by is not null`

/** So many others are shown beside one page, all forks together; more would tell nobody more. */
const FORKED_SHOWN_MAX = 400

export function findStatement(
  query: CertificatesQuery,
  packet?: EventPacket,
): { text: string; values: unknown[] } {
  const { values, given, also, only, onlyBytes, onlySpent, onlyAfter, where } = conditionsOf()
  const satIn = (column: string, key: string | undefined) => {
    if (key !== undefined)
      also(`exists (select from gitdata_jobs as job where job.round_id = listed.round_id
        and job.coordinator = listed.coordinator and job.${column} = ${given(bytea(key))})`)
  }
  onlyBytes('round_id', query.roundId)
  onlyBytes('packet_id', query.packetId)
  onlyBytes('packet_id', packet?.packetId)
  // A packet belongs to one log; what others certify under its id is theirs.
  onlyBytes('coordinator', packet?.log)
  onlyBytes('version_id', query.versionId)
  onlyBytes('supersedes', query.supersedes)
  onlyBytes('content_hash', query.contentHash)
  onlyBytes('txid', query.txid)
  onlyBytes('coordinator', query.coordinator)
  only('stream_id', '=', query.streamId)
  only('partition', '=', query.partition)
  only('packet_no', '=', query.packetNo)
  if (query.sourceId !== undefined) also(`listed.sources @> array[${given(query.sourceId)}]`)
  onlyBytes('publisher_key', query.publisherKey)
  only('created_ms', '>=', query.createdFromMs)
  only('created_ms', '<', query.createdToMs)
  only('template', '=', query.template)
  only('level', '=', query.level)
  only('admitted_ms', '>=', query.admittedFromMs)
  only('admitted_ms', '<', query.admittedToMs)
  satIn('agent_key', query.agentKey)
  satIn('operator', query.operator)
  onlySpent(query.spent)
  onlyAfter(query.after, query.order)
  const text = `with page as (
      select * from gitdata_certificates as listed ${where()} order by ${byAdmission(query.order)} limit ${given(query.limit)}
    ), others as (
      select distinct on (other.txid, other.vout) other.*, page.admitted_ms as at_ms, page.txid as at_txid, page.vout as at_vout
      from page join gitdata_certificates as other on other.coordinator = page.coordinator
        and other.stream_id = page.stream_id and other.partition = page.partition and other.packet_no = page.packet_no
        and other.packet_id <> page.packet_id
      order by other.txid, other.vout, page.admitted_ms, page.txid, page.vout limit ${FORKED_SHOWN_MAX}
    ), shown as (
      select page.*, page.admitted_ms as at_ms, page.txid as at_txid, page.vout as at_vout, true as own from page
      union all
      select others.*, false from others where (others.txid, others.vout) not in (select txid, vout from page)
    )
    select encode(shown.txid, 'hex') as txid, vout, encode(coordinator, 'hex') as coordinator,
      encode(round_id, 'hex') as "roundId", index, template, level, encode(packet_id, 'hex') as "packetId",
      encode(version_id, 'hex') as "versionId", encode(supersedes, 'hex') as supersedes, stream_id as "streamId",
      partition, packet_no as "packetNo", encode(content_hash, 'hex') as "contentHash",
      encode(publisher_key, 'hex') as "publisherKey", created_ms as "createdMs",
      encode(spent_by, 'hex') as "spentBy", admitted_ms as "admittedMs", at_ms as "atMs", encode(at_txid, 'hex') as "atTxid",
      at_vout as "atVout"
    from shown
    order by at_ms ${query.order}, at_txid ${query.order}, at_vout ${query.order}, own desc, shown.txid, vout`
  return { text, values }
}

type Row = ListedCertificate & { readonly atMs: number; readonly atTxid: string; readonly atVout: number }

/** Every packet of one number is in an answer that has one of them, so what is forked is seen there. */
function foundIn(rows: readonly Row[]): FoundCertificate[] {
  const packets = new Map<string, Set<string>>()
  for (const row of rows) {
    const place = placeOf(row)
    if (place !== undefined) packets.set(place, (packets.get(place) ?? new Set()).add(row.packetId))
  }
  return rows.map(({ atMs: admittedMs, atTxid: txid, atVout: vout, ...row }) => {
    const place = placeOf(row)
    const isForked = place !== undefined && (packets.get(place)?.size ?? 0) > 1
    return { ...row, isForked, position: { admittedMs, txid, vout } }
  })
}

function placeOf({ coordinator, streamId, partition, packetNo }: ListedCertificate): string | undefined {
  // Windows and rollups have no number of their own: any two of them may be of one partition.
  return streamId === null || packetNo === null
    ? undefined
    : JSON.stringify([coordinator, streamId, partition, packetNo])
}
