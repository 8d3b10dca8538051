import type {
  Counts,
  ExportRecord,
  MembershipSaid,
  PacketRecord,
  SealMarkSaid,
} from '../../contract/audit/records.ts'
import { type PacketRange, pageOf } from '../../contract/audit/sequence.ts'
import { concatAll, sameBytes } from '../../core/bytes.ts'
import { pathInRound } from '../../core/rounds/round.ts'
import { openRecentTransactions } from '../chain/recent-transactions.ts'
import { readLines } from '../log/read-sealing.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { ownLog, successorsOf } from '../reading/lineage-sql.ts'
import type { ExportDeps, ExportReader } from './export-reader.ts'
import { readCertificateRecord } from './read-certificate.ts'

/** Packets whose rows are read together; their bytes come one after the other. */
const ROWS_AT_ONCE = 64

/** In their order, each behind what it needs and was not given before it in its page. */
export async function* readPackets(
  deps: ExportDeps,
  reader: ExportReader,
  { streamId, partition, from, to }: PacketRange,
): AsyncGenerator<ExportRecord> {
  const { pool } = deps
  const partitionId = await partitionOf(pool, streamId, partition)
  if (partitionId === undefined) return
  const recent = openRecentTransactions()
  const given = new Set<string>()
  let page = pageOf(from)
  for (let next = from; next < to; ) {
    const rows = settled(await readRows(pool, partitionId, next, to))
    for (const row of rows) {
      const { packetNo, policyDigest, certificate } = row
      if (pageOf(packetNo) !== page) given.clear()
      page = pageOf(packetNo)
      if (policyDigest !== null && !given.has(policyDigest)) {
        given.add(policyDigest)
        yield { kind: 'policy', digest: policyDigest, policy: await readPolicyText(pool, policyDigest) }
      }
      if (certificate !== null && !given.has(certificate.txid)) {
        given.add(certificate.txid)
        yield await readCertificateRecord(pool, reader, certificate.txid, recent)
      }
      yield await packetOf(deps, { streamId, partition, partitionId }, row)
    }
    const last = rows.at(-1)
    if (last === undefined) return
    next = last.packetNo + 1
  }
}

/** What is not made yet is read again with what comes behind it: by then it may be, and else it would look taken out. */
function settled(rows: Row[]): Row[] {
  const made = rows.findLastIndex(({ header }) => header !== null) + 1
  return rows.length < ROWS_AT_ONCE || made === 0 ? rows : rows.slice(0, made)
}

async function partitionOf(db: Queryable, streamId: string, partition: number): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    name: 'export-partition',
    text: 'select id from partitions where stream_id = $1 and partition = $2',
    values: [streamId, partition],
  })
  return rows[0]?.id
}

async function readPolicyText(db: Queryable, digest: string): Promise<string | null> {
  const { rows } = await db.query<{ policy: string }>({
    name: 'export-policy',
    text: 'select policy from policy_sets where digest = $1',
    values: [bytea(digest)],
  })
  return rows[0]?.policy ?? null
}

type Row = {
  readonly packetNo: number
  readonly mark: SealMarkSaid | null
  readonly policyDigest: string | null
  readonly fromAppend: number | null
  readonly upToAppend: number | null
  readonly appended: Counts
  readonly packetId: string | null
  readonly header: string | null
  readonly rawHash: string | null
  readonly count: number | null
  readonly standing: PacketRecord['standing']
  readonly certificate:
    | (Omit<MembershipSaid, 'count' | 'path'> & {
        readonly packetIds: readonly string[]
        readonly contentHash: string
      })
    | null
}

async function readRows(db: Queryable, partitionId: number, from: number, to: number): Promise<Row[]> {
  const { rows } = await db.query<Row>({
    name: 'export-packets',
    text: packets,
    values: [partitionId, from, to, ROWS_AT_ONCE],
  })
  return rows
}

// Which certificate of several: as proofs are made (read-proof-parts.ts).
const packets = `
  with numbers as (
    select packet_no from seal_marks where partition_id = $1 and packet_no >= $2 and packet_no < $3
    union select packet_no from packets where partition_id = $1 and packet_no >= $2 and packet_no < $3
    order by packet_no limit $4)
  select numbers.packet_no as "packetNo",
      case when mark.packet_no is null then null else json_build_object('upToSeq', mark.up_to_seq,
        'watermarkMs', mark.watermark_ms, 'policyDigest', encode(mark.policy_digest, 'hex'),
        'rosterDigest', encode(mark.roster_digest, 'hex'), 'totals', json_build_object('received', mark.received,
          'accepted', mark.up_to_seq, 'duplicate', mark.duplicate, 'rejected', mark.rejected,
          'quarantined', mark.quarantined, 'waived', mark.waived)) end as mark,
      encode(mark.policy_digest, 'hex') as "policyDigest",
      coalesce(before.up_to_append, 0) as "fromAppend", mark.up_to_append as "upToAppend",
      (select json_build_object('received', coalesce(sum(received), 0), 'accepted', coalesce(sum(count), 0),
          'duplicate', coalesce(sum(duplicate), 0), 'rejected', coalesce(sum(rejected), 0),
          'quarantined', coalesce(sum(quarantined), 0), 'waived', coalesce(sum(waived), 0))
        from segments where partition_id = $1 and append_no >= coalesce(before.up_to_append, 0)
          and append_no < mark.up_to_append) as appended,
      encode(made.packet_id, 'hex') as "packetId", made.header, encode(made.raw_hash, 'hex') as "rawHash", made.count,
      case when standing.packet_id is null then null else json_build_object('status', standing.status,
        'packetId', encode(standing.packet_id, 'hex'), 'events', standing.events,
        'versionId', encode(standing.version_id, 'hex')) end as standing,
      written.said as certificate
    from numbers
    left join seal_marks as mark on mark.partition_id = $1 and mark.packet_no = numbers.packet_no
    left join seal_marks as before on before.partition_id = $1 and before.packet_no = numbers.packet_no - 1
    left join packets as made on made.partition_id = $1 and made.packet_no = numbers.packet_no
    left join packet_standings as standing on standing.partition_id = $1 and standing.packet_no = numbers.packet_no
    left join lateral (
      select json_build_object('txid', encode(certificate.txid, 'hex'),
          'versionId', encode(certificate.version_id, 'hex'), 'index', certificate.index,
          'state', case when listed.spent_by is not null and certificate.state in ('anchored', 'proven') then 'revoked'
            else certificate.state end,
          'isSuperseded', exists (${successorsOf}),
          'try', coalesce(round.attempt, 0), 'manifest', version.manifest,
          'contentHash', encode(version.content_hash, 'hex'),
          'packetIds', array(select encode(member.packet_id, 'hex') from round_members as member
            where member.round_id = certificate.round_id order by member.index)) as said
        from certificates as certificate
          cross join lateral (select certificate.version_id) as asked ${ownLog}
          left join dlm_versions as version on version.version_id = certificate.version_id
          left join rounds as round on round.round_id = certificate.round_id
          left join gitdata_certificates as listed
            on listed.txid = certificate.txid and listed.vout = certificate.vout
        where certificate.packet_id = made.packet_id and certificate.state <> 'dead'
        order by (certificate.state in ('anchored', 'proven') and listed.spent_by is null) desc,
          certificate.written_ms desc, certificate.txid limit 1) as written on true
    order by numbers.packet_no`

type Place = { readonly streamId: string; readonly partition: number; readonly partitionId: number }

async function packetOf(
  { pool, readObject }: ExportDeps,
  { streamId, partition, partitionId }: Place,
  row: Row,
): Promise<PacketRecord> {
  const { packetNo, mark, appended, packetId, header, rawHash, count, standing, certificate } = row
  const lines =
    rawHash === null ? null : count === 0 ? new Uint8Array() : ((await readObject(rawHash)) ?? null)
  const contentHash = certificate === null ? null : contentHashIn(certificate)
  return {
    ...{ kind: 'packet', streamId, partition, packetNo, mark, appended, packetId, header, lines, standing },
    logged: header === null ? 'gone' : await loggedBeside(pool, partitionId, row, lines),
    certificate: certificate && membershipOf(certificate),
    output: contentHash === null ? null : ((await readObject(contentHash)) ?? null),
  }
}

/** The lines of its appends, where these are others than those that are kept under its hash. */
async function loggedBeside(
  db: Queryable,
  partitionId: number,
  { fromAppend, upToAppend }: Row,
  lines: Uint8Array | null,
): Promise<PacketRecord['logged']> {
  if (fromAppend === null || upToAppend === null) return 'gone'
  const stored = await readLines(db, [{ partitionId, fromAppend, upToAppend }])
  const logged = stored.flatMap(each => each ?? [])
  if (logged.length < stored.length) return 'gone'
  const bytes = concatAll(logged)
  return lines !== null && sameBytes(bytes, lines) ? 'same' : bytes
}

/** As the manifest names it; the column beside it where that cannot be read. */
function contentHashIn({ manifest, contentHash }: NonNullable<Row['certificate']>): string | null {
  const said = manifest === null ? undefined : /"contentHash":"([0-9a-f]{64})"/.exec(manifest)?.[1]
  return said ?? contentHash
}

function membershipOf({
  packetIds,
  contentHash: _,
  ...said
}: NonNullable<Row['certificate']>): MembershipSaid {
  return { ...said, count: packetIds.length, path: pathOf(packetIds, said.index) }
}

/** A round without the packet has no path to it, and no certificate is believed by another one. */
function pathOf(packetIds: readonly string[], index: number): string[] {
  return index < packetIds.length ? pathInRound(packetIds, index) : []
}
