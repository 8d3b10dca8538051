import type { Pool, QueryConfig } from 'pg'
import { BEEF_BYTES_MAX, writeBeef } from '../../contract/beef.ts'
import { readHistoriesUpTo } from '../overlay/read-histories.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { SYNC_ITEMS_MAX, SYNC_PAGE_BYTES, type SyncPage } from './sync-page.ts'

export type SyncQuestion = {
  readonly topic: string
  /** Of an earlier page; one of another database, or of this one before it was restored, begins anew. */
  readonly after?: string | undefined
  readonly limit?: number
}

/**
 * What a topic has answered to, in the order of writing, each with its history, as it is judged by. What
 * is still being written comes in a later page, and never behind a cursor that was given out.
 */
export async function readSyncPage(
  pool: Pool,
  { topic, after, limit = SYNC_ITEMS_MAX }: SyncQuestion,
): Promise<SyncPage> {
  const feed = await readFeedName(pool)
  const from = readCursor(after, feed)
  const rows = await readRows(pool, topic, from, limit + 1)
  const items = await readItems(pool, topic, feed, rows.slice(0, limit))
  return {
    items,
    cursor: items.at(-1)?.cursor ?? cursorOf(feed, from),
    more: rows.length > items.length,
  }
}

type Place = { readonly written: string; readonly txid: string }

const beginning: Place = { written: '0', txid: '0'.repeat(64) }

function cursorOf(feed: string, { written, txid }: Place): string {
  return `${feed}.${written}.${txid}`
}

function readCursor(cursor: string | undefined, feed: string): Place {
  const [, name, written, txid] = /^([0-9a-f-]+)\.(\d{1,19})\.([0-9a-f]{64})$/.exec(cursor ?? '') ?? []
  return name !== feed || written === undefined || txid === undefined ? beginning : { written, txid }
}

/**
 * Another one after every restore: from a dump into another cluster, where the numbers of what was written mean
 * nothing any more, and from a copy of the files at an earlier moment, where they are given out a second time.
 */
async function readFeedName(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string; moved: boolean; timeline: number }>({
    name: 'sync-feed-name',
    text: `select name, cluster <> system_identifier::text as moved, timeline_id as timeline
      from sync_feed, pg_control_system(), pg_control_checkpoint()`,
  })
  const [row] = rows
  if (row === undefined) throw new Error('the table sync_feed is empty; bring the database up to date')
  if (!row.moved) return `${row.name}-${row.timeline}`
  await writeAgain(pool)
  return readFeedName(pool)
}

/** All that topics have ever applied, which may take longer than the driver lets anything take; its types do not know that it can be told. */
const writeAll: QueryConfig & { readonly query_timeout: number } = {
  text: 'update applied set written = pg_current_xact_id()',
  query_timeout: 6 * 60 * 60_000,
}

async function writeAgain(pool: Pool): Promise<void> {
  await inTransaction(pool, async db => {
    const { rowCount } = await db.query(
      `update sync_feed set name = gen_random_uuid(), cluster = system_identifier::text
        from pg_control_system() where cluster <> system_identifier::text`,
    )
    if (rowCount === 0) return
    await db.query('set local statement_timeout = 0')
    await db.query(writeAll)
  })
}

async function readRows(db: Queryable, topic: string, after: Place, limit: number): Promise<Place[]> {
  const { rows } = await db.query<Place>({
    name: 'sync-rows',
    text: `select encode(txid, 'hex') as txid, written::text as written from applied
      where topic = $1 and (written, txid) > ($2::text::xid8, $3::bytea)
        and written < pg_snapshot_xmin(pg_current_snapshot())
      order by written, applied.txid limit $4`,
    values: [topic, after.written, bytea(after.txid), limit],
  })
  return rows
}

/** As many as a page holds; at least one. */
async function readItems(
  db: Queryable,
  topic: string,
  feed: string,
  rows: readonly Place[],
): Promise<SyncPage['items']> {
  const { historyOf, rows: few } = await readHistories(db, rows)
  const values = await readValueLengths(
    db,
    topic,
    few.map(({ txid }) => txid),
  )
  const items: SyncPage['items'] = []
  let bytes = 0
  for (const row of few) {
    const history = historyOf(row.txid)
    const beef = history && writeBeef(history)
    bytes += (beef?.length ?? 0) + (values.get(row.txid) ?? 0)
    if (items.length > 0 && bytes > SYNC_PAGE_BYTES) break
    // One that a reorganisation has left without a proof, or whose history has grown too long, is sent another time.
    const isSendable = beef !== undefined && beef.length <= BEEF_BYTES_MAX
    const offChainValues = isSendable && values.has(row.txid) ? await readValues(db, topic, row.txid) : null
    items.push({
      txid: row.txid,
      beef: isSendable ? Buffer.from(beef).toString('base64') : null,
      ...(offChainValues !== null && { offChainValues: offChainValues.toString('base64') }),
      cursor: cursorOf(feed, row),
    })
  }
  return items
}

/** Of fewer and fewer, until what is read for them is no more than a page may be. */
async function readHistories(db: Queryable, rows: readonly Place[]) {
  for (let count = rows.length; count > 0; count = Math.floor(count / 2)) {
    const few = rows.slice(0, count)
    const ancestry = await readHistoriesUpTo(
      db,
      few.map(({ txid }) => txid),
      SYNC_PAGE_BYTES,
    )
    if (ancestry !== undefined) return { historyOf: ancestry.historyOf, rows: few }
  }
  return { historyOf: () => undefined, rows: rows.slice(0, 1) }
}

async function readValueLengths(
  db: Queryable,
  topic: string,
  txids: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await db.query<{ txid: string; length: number }>({
    name: 'sync-value-lengths',
    text: `select encode(txid, 'hex') as txid, octet_length(bytes) as length from off_chain_values
      where txid = any ($1) and topic = $2`,
    values: [byteas(txids), topic],
  })
  return new Map(rows.map(({ txid, length }) => [txid, length]))
}

async function readValues(db: Queryable, topic: string, txid: string): Promise<Buffer | null> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    name: 'sync-values',
    text: 'select bytes from off_chain_values where txid = $1 and topic = $2',
    values: [bytea(txid), topic],
  })
  return rows[0]?.bytes ?? null
}
