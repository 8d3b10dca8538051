import type { Pool } from 'pg'
import type { EventsIndex, EventsQuery, ListedBatch } from '../../../lookup-services/events-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { byAdmission, conditionsOf } from './conditions.ts'
import { type Resettable, spentOutputWrites } from './output-writes.ts'

export type PostgresEventsIndex = EventsIndex & Resettable

/** Its writes take effect with the admission that is being judged. */
export function postgresEventsIndex(pool: Pool, questions = pool): PostgresEventsIndex {
  return {
    async put({ txid, vout, publisher, streamId, sourceId, subject, count, carried }) {
      const said = { publisher, stream_id: streamId, source_id: sourceId, subject, count, carried }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...said, spent_by: null } })
    },
    ...spentOutputWrites(pool, index, record),
    async find(query) {
      const { text, values } = findStatement(query)
      const { rows } = await questions.query<ListedBatch>(text, values)
      return rows
    },
  }
}

const index = 'gitdata_events'

/**
 * Listing and spending are one statement, whose rows are merged by outpoint first: a batch may be admitted and spent
 * within one submission, and two statements that run as one do not see each other's rows. What is listed already is
 * looked at one by one, and only for what was spent: a join would read all of it, where it seems to be little.
 */
const record = `
  insert into gitdata_events as listed
    (txid, vout, publisher, stream_id, source_id, subject, count, carried, spent_by, admitted_ms)
  select said.txid, said.vout,
    coalesce(said.publisher, known.publisher), coalesce(said.stream_id, known.stream_id),
    coalesce(said.source_id, known.source_id), coalesce(said.subject, known.subject),
    coalesce(said.count, known.count), coalesce(said.carried, known.carried),
    said.spent_by, $now::bigint
  from (
    select decode(txid, 'hex') as txid, vout, decode(max(publisher), 'hex') as publisher,
      max(stream_id) as stream_id, max(source_id) as source_id, decode(max(subject), 'hex') as subject,
      max(count) as count, max(carried) as carried, decode(max(spent_by), 'hex') as spent_by
    from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, publisher text, stream_id text,
      source_id text, subject text, count bigint, carried text, spent_by text)
    group by given.txid, given.vout
  ) as said
  left join lateral (
    select * from gitdata_events as listed
      where said.publisher is null and listed.txid = said.txid and listed.vout = said.vout limit 1
  ) as known on true
  where coalesce(said.publisher, known.publisher) is not null
  order by said.txid, said.vout
  on conflict (txid, vout) do update set spent_by = excluded.spent_by where excluded.spent_by is not null`

export function findStatement(query: EventsQuery): { text: string; values: unknown[] } {
  const { values, given, only, onlyBytes, onlySpent, onlyAfter, where } = conditionsOf()
  onlyBytes('publisher', query.publisher)
  only('stream_id', '=', query.streamId)
  only('source_id', '=', query.sourceId)
  onlyBytes('subject', query.subject)
  onlyBytes('txid', query.txid)
  only('admitted_ms', '>=', query.admittedFromMs)
  only('admitted_ms', '<', query.admittedToMs)
  onlySpent(query.spent)
  onlyAfter(query.after, query.order)
  const text = `select encode(txid, 'hex') as txid, vout, encode(publisher, 'hex') as publisher,
    stream_id as "streamId", source_id as "sourceId", encode(subject, 'hex') as subject, count, carried,
    spent_by is not null as spent, admitted_ms as "admittedMs"
    from gitdata_events as listed ${where()} order by ${byAdmission(query.order)} limit ${given(query.limit)}`
  return { text, values }
}
