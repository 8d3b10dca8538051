import type { Pool } from 'pg'
import type {
  CertificatesIndex,
  CertificatesQuery,
  FoundCertificate,
  ListedCertificate,
} from '../../../lookup-services/certificates-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { removeOutputs } from './remove-outputs.ts'

export type PostgresCertificatesIndex = CertificatesIndex & {
  /** Resolves once the index is empty, to be filled again from admitted outputs. */
  reset(): Promise<void>
}

/** Its writes take effect with the admission that is being judged. */
export function postgresCertificatesIndex(pool: Pool): PostgresCertificatesIndex {
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
      }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...row, spent_by: null } })
    },
    async markSpent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: record, row: { txid, vout, spent_by: spendingTxid } })
    },
    async markUnspent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: takeSpendBack, row: { txid, vout, spent_by: spendingTxid } })
    },
    async remove({ txid, vout }) {
      writeWithAdmission({ index, sql: remove, row: { txid, vout } })
    },
    async find(query) {
      const { rows } = await pool.query<Row>(findStatement(query))
      return foundIn(rows)
    },
    async reset() {
      await pool.query('truncate gitdata_certificates')
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
     packet_no, content_hash, spent_by, admitted_ms)
  select said.txid, said.vout, coalesce(said.coordinator, known.coordinator), coalesce(said.round_id, known.round_id),
    coalesce(said.member, known.index), coalesce(said.template, known.template), coalesce(said.level, known.level),
    coalesce(said.packet_id, known.packet_id), coalesce(said.version_id, known.version_id),
    coalesce(said.supersedes, known.supersedes), coalesce(said.stream_id, known.stream_id),
    coalesce(said.partition, known.partition), coalesce(said.packet_no, known.packet_no),
    coalesce(said.content_hash, known.content_hash), said.spent_by, $now::bigint
  from (
    select decode(txid, 'hex') as txid, vout, decode(max(coordinator), 'hex') as coordinator,
      decode(max(round_id), 'hex') as round_id, max(member) as member, max(template) as template, max(level) as level,
      decode(max(packet_id), 'hex') as packet_id, decode(max(version_id), 'hex') as version_id,
      decode(max(supersedes), 'hex') as supersedes, max(stream_id) as stream_id, max(partition) as partition,
      max(packet_no) as packet_no, decode(max(content_hash), 'hex') as content_hash, decode(max(spent_by), 'hex') as spent_by
    from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, coordinator text, round_id text, member integer,
      template text, level text, packet_id text, version_id text, supersedes text, stream_id text, partition integer,
      packet_no bigint, content_hash text, spent_by text)
    group by given.txid, given.vout
  ) as said
  left join lateral (
    select * from gitdata_certificates as listed
      where said.coordinator is null and listed.txid = said.txid and listed.vout = said.vout limit 1
  ) as known on true
  where coalesce(said.coordinator, known.coordinator) is not null
  order by said.txid, said.vout
  on conflict (txid, vout) do update set spent_by = excluded.spent_by where excluded.spent_by is not null`

const takeSpendBack = `
  update gitdata_certificates as listed set spent_by = null
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, spent_by text)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout
    and listed.spent_by = decode(given.spent_by, 'hex')`

const remove = removeOutputs(index)

/** So many others are shown beside one page, all forks together; more would tell nobody more. */
const FORKED_SHOWN_MAX = 400

export function findStatement(query: CertificatesQuery): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const conditions: string[] = []
  const only = (column: string, comparison: string, value: unknown) => {
    if (value !== undefined) conditions.push(`listed.${column} ${comparison} ${given(value)}`)
  }
  const satIn = (column: string, key: string | undefined) => {
    if (key !== undefined)
      conditions.push(`exists (select from gitdata_jobs as job where job.round_id = listed.round_id
        and job.coordinator = listed.coordinator and job.${column} = ${given(bytea(key))})`)
  }
  only('round_id', '=', query.roundId && bytea(query.roundId))
  only('packet_id', '=', query.packetId && bytea(query.packetId))
  only('version_id', '=', query.versionId && bytea(query.versionId))
  only('supersedes', '=', query.supersedes && bytea(query.supersedes))
  only('content_hash', '=', query.contentHash && bytea(query.contentHash))
  only('txid', '=', query.txid && bytea(query.txid))
  only('coordinator', '=', query.coordinator && bytea(query.coordinator))
  only('stream_id', '=', query.streamId)
  only('partition', '=', query.partition)
  only('packet_no', '=', query.packetNo)
  only('template', '=', query.template)
  only('level', '=', query.level)
  only('admitted_ms', '>=', query.admittedFromMs)
  only('admitted_ms', '<', query.admittedToMs)
  satIn('agent_key', query.agentKey)
  satIn('operator', query.operator)
  if (query.spent !== undefined) conditions.push(`listed.spent_by is ${query.spent ? 'not null' : 'null'}`)
  if (query.after !== undefined) {
    const { admittedMs, txid, vout } = query.after
    const position = [admittedMs, bytea(txid), vout].map(given).join(', ')
    conditions.push(
      `(listed.admitted_ms, listed.txid, listed.vout) ${query.order === 'asc' ? '>' : '<'} (${position})`,
    )
  }
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''
  const by = (table: string) =>
    ['admitted_ms', 'txid', 'vout'].map(column => `${table}.${column} ${query.order}`).join(', ')
  const text = `with page as (
      select * from gitdata_certificates as listed ${where} order by ${by('listed')} limit ${given(query.limit)}
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
