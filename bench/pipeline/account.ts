import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { numberOf } from './sent.ts'

/** What the database says, beside the node that writes it. */
export type Account = {
  readonly backendPid: number
  /** PostgreSQL's version, and how careful it is. */
  readonly server: Readonly<Record<string, string>>
  walBytes(): Promise<number>
  databaseBytes(): Promise<number>
  /** Resolves once every event in the log has a certificate that the network has, or so many milliseconds are over. */
  untilCertified(msMax: number): Promise<void>
  /** Of every packet, in the order of its stream. */
  packets(): Promise<PacketRow[]>
  close(): Promise<void>
}

export type PacketRow = {
  readonly stream: number
  readonly firstSeq: number
  readonly events: number
  readonly sealedMs: number
  /** When enough certifiers had agreed, of the round that led to its certificate. */
  readonly quorumMs: number | null
  /** When it became certified and anchored; null while it has not. */
  readonly certifiedMs: number | null
  /** Certificates of it that count: of a packet that is certified, one. */
  readonly certificates: number
}

const LOOK_EVERY_MS = 200

export async function openAccount(databaseUrl: string): Promise<Account> {
  const client = new pg.Client({ connectionString: databaseUrl, types: columnTypes })
  await client.connect()
  const number = async (sql: string) => (await client.query<{ n: number }>(sql)).rows[0]?.n ?? 0
  const settings = await client.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any($1) order by name',
    [['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size']],
  )
  return {
    backendPid: await number('select pg_backend_pid() as n'),
    server: Object.fromEntries(settings.rows.map(({ name, setting }) => [name, setting])),
    walBytes: () => number(`select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as n`),
    databaseBytes: () => number('select pg_database_size(current_database()) as n'),
    async untilCertified(msMax) {
      const untilMs = Date.now() + msMax
      while ((await number(open)) > 0 && Date.now() < untilMs) await sleep(LOOK_EVERY_MS)
    },
    async packets() {
      const { rows } = await client.query<Omit<PacketRow, 'stream'> & { streamId: string }>(packets)
      return rows.flatMap(({ streamId, ...row }) => {
        const stream = numberOf(streamId)
        return stream === undefined ? [] : [{ stream, ...row }]
      })
    },
    close: () => client.end(),
  }
}

const isCertified = `became.state in ('anchored', 'proven')`

const open = `
  select (select count(*) from partition_heads as head where next_seq > coalesce((select first_seq + count
      from packets where partition_id = head.partition_id order by packet_no desc limit 1), 0))
    + (select count(*) from packets as packet left join packet_states as became using (partition_id, packet_no)
      where (${isCertified}) is not true) as n`

const packets = `
  select home.stream_id as "streamId", packet.first_seq as "firstSeq", packet.count as events, packet.sealed_ms as "sealedMs",
    case when ${isCertified} then (extract(epoch from became.certified_at) * 1000)::bigint end as "certifiedMs",
    (select count(*) from certificates where packet_id = packet.packet_id and state in ('anchored', 'proven')) as certificates,
    (select max(job.decided_ms) from packet_standings as standing
      join certificates as own on own.txid = standing.certificate and own.packet_id = packet.packet_id
      join round_jobs as job on job.round_id = own.round_id and job.stage = 'certify' and job.outcome = 'certified'
      where standing.packet_id = packet.packet_id) as "quorumMs"
  from packets as packet join partitions as home on home.id = packet.partition_id
    left join packet_states as became using (partition_id, packet_no)
  order by home.stream_id, packet.packet_no`
