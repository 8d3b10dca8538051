import type { Pool } from 'pg'
import type { EventsIndex, EventsQuery, ListedBatch } from '../../../lookup-services/events-index.ts'
import { knownHex } from '../../core/bytes.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { removeOutputs } from './remove-outputs.ts'

export type PostgresEventsIndex = EventsIndex & {
  /** Resolves once the index is empty, to be filled again from admitted outputs. */
  reset(): Promise<void>
}

/** Its writes take effect with the admission that is being judged. */
export function postgresEventsIndex(pool: Pool): PostgresEventsIndex {
  return {
    async put({ txid, vout, publisher, streamId, sourceId, subject, count, carried }) {
      const said = { publisher, stream_id: streamId, source_id: sourceId, subject, count, carried }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...said, spent_by: null } })
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
      const { text, values } = findStatement(query)
      const { rows } = await pool.query<ListedBatch>(text, values)
      return rows
    },
    async reset() {
      await pool.query('truncate gitdata_events')
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

const takeSpendBack = `
  update gitdata_events as listed set spent_by = null
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, spent_by text)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout
    and listed.spent_by = decode(given.spent_by, 'hex')`

const remove = removeOutputs(index)

export function findStatement(query: EventsQuery): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const conditions: string[] = []
  const only = (column: string, comparison: string, value: unknown) => {
    if (value !== undefined) conditions.push(`${column} ${comparison} ${given(value)}`)
  }
  only('publisher', '=', query.publisher && knownHex(query.publisher))
  only('stream_id', '=', query.streamId)
  only('source_id', '=', query.sourceId)
  only('subject', '=', query.subject && knownHex(query.subject))
  only('txid', '=', query.txid && knownHex(query.txid))
  only('admitted_ms', '>=', query.admittedFromMs)
  only('admitted_ms', '<', query.admittedToMs)
  if (query.spent !== undefined) conditions.push(`spent_by is ${query.spent ? 'not null' : 'null'}`)
  if (query.after !== undefined) {
    const { admittedMs, txid, vout } = query.after
    const position = [admittedMs, knownHex(txid), vout].map(given).join(', ')
    conditions.push(
      `(listed.admitted_ms, listed.txid, listed.vout) ${query.order === 'asc' ? '>' : '<'} (${position})`,
    )
  }
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''
  // Qualified, because the answer has a column `txid` of its own, which is text.
  const order = ['admitted_ms', 'txid', 'vout'].map(column => `listed.${column} ${query.order}`).join(', ')
  const text = `select encode(txid, 'hex') as txid, vout, encode(publisher, 'hex') as publisher,
    stream_id as "streamId", source_id as "sourceId", encode(subject, 'hex') as subject, count, carried,
    spent_by is not null as spent, admitted_ms as "admittedMs"
    from gitdata_events as listed ${where} order by ${order} limit ${given(query.limit)}`
  return { text, values }
}
