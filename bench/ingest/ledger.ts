import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { HOSTILE_SOURCE } from './commands.ts'

/** What the database says of the log, beside the node that writes it. */
export type Ledger = {
  /** Events of publishers in the log; of the hostile one nobody counts. */
  accepted(): Promise<number>
  /** Bytes of write-ahead log so far. */
  walBytes(): Promise<number>
  /** Resolves once every event in the log is in a packet. */
  allSealed(): Promise<void>
  query(sql: string, values?: readonly unknown[]): Promise<void>
  close(): Promise<void>
}

export async function openLedger(databaseUrl: string): Promise<Ledger> {
  const client = new pg.Client({ connectionString: databaseUrl, types: columnTypes })
  await client.connect()
  const number = async (sql: string) => {
    const { rows } = await client.query<{ n: number }>(sql)
    return rows[0]?.n ?? 0
  }
  return {
    accepted: () =>
      number(`select coalesce(sum(next_seq), 0)::bigint as n from partition_heads
        join partitions on id = partition_id where stream_id <> '${HOSTILE_SOURCE}'`),
    walBytes: () => number(`select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as n`),
    async allSealed() {
      while ((await number(unsealed)) > 0) await sleep(LOOK_EVERY_MS)
    },
    async query(sql, values = []) {
      await client.query(sql, [...values])
    },
    close: () => client.end(),
  }
}

const LOOK_EVERY_MS = 50

const unsealed = `select count(*) as n from partition_heads as head where next_seq > coalesce(
  (select first_seq + count from packets where partition_id = head.partition_id order by packet_no desc limit 1), 0)`
