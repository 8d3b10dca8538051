import { EXPORT_PARTITIONS_MAX, type Extent, type OpeningRecord } from '../../contract/audit/records.ts'
import type { Network } from '../../core/network.ts'
import { type HeaderTable, readStoredHeaders } from '../chain/read-headers.ts'
import type { Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from '../reading/readable.ts'
import type { ExportReader } from './export-reader.ts'

/** More partitions than one export tells of. */
export class TooManyPartitions extends Error {}

export async function readOpening(
  db: Queryable,
  reader: ExportReader,
  streamId: string | null,
): Promise<OpeningRecord> {
  const { rows } = await db.query<Extent>({
    name: 'export-opening',
    text: opening,
    values: [
      ...readerValues(reader === 'operator' ? undefined : reader),
      reader === 'operator',
      streamId,
      EXPORT_PARTITIONS_MAX + 1,
    ],
  })
  if (rows.length > EXPORT_PARTITIONS_MAX)
    throw new TooManyPartitions(
      `there are more than ${EXPORT_PARTITIONS_MAX} partitions, which is all that one export tells of`,
    )
  const network = await readNetwork(db)
  return {
    kind: 'opening',
    format: 'assay-export',
    v: 1,
    network,
    streamId,
    headers: await heightsOf(db, network),
    partitions: rows,
  }
}

/** Of the best chain; none where they are kept elsewhere. */
export async function readExportedHeaders(db: Queryable, from: number, count: number): Promise<Uint8Array> {
  return readStoredHeaders(db, from, count, tableOf(await readNetwork(db)))
}

async function readNetwork(db: Queryable): Promise<Network> {
  const { rows } = await db.query<{ name: Network }>('select name from network')
  const [row] = rows
  if (row === undefined)
    throw new Error('the database does not say which network it is of: start a node on it')
  return row.name
}

async function heightsOf(db: Queryable, network: Network): Promise<OpeningRecord['headers']> {
  const { rows } = await db.query<{ first: number | null; tip: number | null }>(
    `select min(height) as first, max(height) as tip from ${tableOf(network)} where best`,
  )
  const { first = null, tip = null } = rows[0] ?? {}
  return first === null || tip === null ? null : { first, tip }
}

function tableOf(network: Network): HeaderTable {
  return network === 'local' ? 'chain_blocks' : 'headers'
}

const sumOf = (rows: string) => `json_build_object('received', coalesce(sum(${rows}.received), 0),
  'accepted', coalesce(sum(${rows}.count), 0), 'duplicate', coalesce(sum(${rows}.duplicate), 0),
  'rejected', coalesce(sum(${rows}.rejected), 0), 'quarantined', coalesce(sum(${rows}.quarantined), 0),
  'waived', coalesce(sum(${rows}.waived), 0))`

// A partition whose stream or head is gone is one whose counts are wrong, not one that never was.
const opening = `
  select encode(opened.log, 'hex') as log, opened.stream_id as "streamId", opened.partition, opened.level,
      opened.audience, opened.network, greatest(head.next_packet,
        (select max(packet_no) + 1 from seal_marks where partition_id = opened.id),
        (select max(packet_no) + 1 from packets where partition_id = opened.id), 0) as marks,
      coalesce(reached.next_packet, 0) as followed,
      json_build_object('received', coalesce(head.received, 0), 'accepted', coalesce(head.next_seq, 0),
        'duplicate', coalesce(head.duplicate, 0), 'rejected', coalesce(head.rejected, 0),
        'quarantined', coalesce(head.quarantined, 0), 'waived', coalesce(head.waived, 0)) as ledger,
      (select ${sumOf('late')} from segments as late where late.partition_id = opened.id
        and late.append_no >= coalesce((select max(up_to_append) from seal_marks where partition_id = opened.id), 0)
        and (head.next_append is null or late.append_no < head.next_append)) as tail,
      (select count(*) from quarantine as item where item.partition_id = opened.id and item.state = 'held') as held,
      coalesce(became.certified, 0)::bigint as certified, coalesce(became.split, 0)::bigint as split
    from partitions as opened
    left join streams as stream on stream.stream_id = opened.stream_id
    left join partition_heads as head on head.partition_id = opened.id
    left join partition_rounds as reached on reached.partition_id = opened.id
    left join lateral (
      select sum(events) filter (where version_id is not null) as certified,
          sum(events) filter (where version_id is null and status = 'split') as split
        from packet_standings where partition_id = opened.id) as became on true
    where ($3 or ${readableSql('stream', 1)}) and ($4::text is null or opened.stream_id = $4)
    order by opened.stream_id collate "C", opened.partition limit $5`
