import type { Json } from '../../core/canonical-json.ts'
import { type ReadTerms, valueTerms, wordTerms } from '../../core/search/search-terms.ts'
import { numbers, type Queryable, texts } from '../postgres/sql.ts'
import type { ReadSegment } from './read-segments.ts'
import type { PlacedEvent } from './write-events.ts'

/** What events are searched by, of the streams that name it; no payload of any other stream is read. */
export async function writeTerms(
  db: Queryable,
  segments: readonly ReadSegment[],
  events: readonly PlacedEvent[],
): Promise<void> {
  if (events.length === 0) return
  const fields = await readFields(db, [...new Set(events.map(({ partitionId }) => partitionId))])
  if (fields.size === 0) return
  const placed = new Map(events.map(event => [placeOf(event.partitionId, event.seq), event]))
  const terms = segments.flatMap(segment => {
    const { partitionId, firstSeq, count, lines } = segment
    const searched = fields.get(partitionId)
    if (searched === undefined || lines === null) return []
    return Array.from({ length: count }, (_, i) => placed.get(placeOf(partitionId, firstSeq + i))).flatMap(
      event => (event === undefined ? [] : termsOf(event, lines, searched)),
    )
  })
  await write(db, terms)
}

function placeOf(partitionId: number, seq: number): string {
  return `${partitionId} ${seq}`
}

type Field = { readonly id: number; readonly read: ReadTerms }
type Term = { readonly fieldId: number; readonly term: string; readonly event: PlacedEvent }

function termsOf(event: PlacedEvent, lines: string, fields: readonly Field[]): Term[] {
  const line = Buffer.from(lines.slice(event.lineAt, event.lineAt + event.lineBytes), 'latin1')
  const { payload }: { payload: Json } = JSON.parse(line.toString('utf8'))
  return fields.flatMap(({ id, read }) => read(payload).map(term => ({ fieldId: id, term, event })))
}

/** By partition; compiled for one step of the projections, in which a partition has many events. */
async function readFields(db: Queryable, partitionIds: readonly number[]): Promise<Map<number, Field[]>> {
  const { rows } = await db.query<{ partitionId: number; id: number; kind: string; path: string }>({
    name: 'fields-to-search',
    text: `select opened.id as "partitionId", field.id, field.kind, field.path
      from partitions as opened join search_fields as field on field.stream_id = opened.stream_id
      where opened.id = any ($1) order by opened.id, field.id`,
    values: [numbers(partitionIds)],
  })
  const fields = new Map<number, Field[]>()
  for (const { partitionId, id, kind, path } of rows) {
    const read = kind === 'words' ? wordTerms(JSON.parse(path)) : valueTerms(path)
    fields.set(partitionId, [...(fields.get(partitionId) ?? []), { id, read }])
  }
  return fields
}

const TERMS_AT_ONCE = 20_000

async function write(db: Queryable, terms: readonly Term[]): Promise<void> {
  for (let from = 0; from < terms.length; from += TERMS_AT_ONCE) {
    const some = terms.slice(from, from + TERMS_AT_ONCE)
    await db.query({
      name: 'write-terms',
      text: `insert into search_terms (field_id, term, ingested_at, partition_id, seq)
        select field_id, term, to_timestamp(ingest_ms::double precision / 1000), partition_id, seq
          from unnest($1::integer[], $2::text[], $3::bigint[], $4::integer[], $5::bigint[])
            as said (field_id, term, ingest_ms, partition_id, seq)
          order by field_id, term collate "C", ingest_ms, partition_id, seq
        on conflict do nothing`,
      values: [
        numbers(some.map(({ fieldId }) => fieldId)),
        texts(some.map(({ term }) => term)),
        numbers(some.map(({ event }) => event.ingestTimeMs)),
        numbers(some.map(({ event }) => event.partitionId)),
        numbers(some.map(({ event }) => event.seq)),
      ],
    })
  }
}
