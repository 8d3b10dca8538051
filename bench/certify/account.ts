import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'

/** What the database says of rounds, beside the node that writes them. */
export type Account = {
  /** Resolves once every event in the log is in a packet, and, where agents work, certified with nothing under way. */
  atRest(hasAgents: boolean): Promise<void>
  /** Of all that was done from this time on. */
  since(ms: number): Promise<Done>
  close(): Promise<void>
}

export type Done = {
  readonly rounds: number
  readonly packets: number
  readonly transactions: number
  /** Of those transactions. */
  readonly bytes: number
  /** What the node has paid, seats included. */
  readonly satoshis: number
  /** Events that are certified. */
  readonly events: number
  /** From sealed to certified, for each packet. */
  readonly latenciesMs: readonly number[]
}

export async function openAccount(databaseUrl: string): Promise<Account> {
  const client = new pg.Client({ connectionString: databaseUrl, types: columnTypes })
  await client.connect()
  const isAtRest = async (hasAgents: boolean) => {
    const { rows } = await client.query<{ open: number }>(
      `select ${hasAgents ? `${unsealed} + ${uncertified}` : unsealed} as open`,
    )
    return rows[0]?.open === 0
  }
  return {
    async atRest(hasAgents) {
      while (!(await isAtRest(hasAgents))) await sleep(LOOK_EVERY_MS)
    },
    async since(ms) {
      const { rows } = await client.query<Omit<Done, 'latenciesMs'> & { latencies: string[] }>(done, [ms])
      const [row] = rows
      if (row === undefined) throw new Error('a sum without a group has a row')
      const { latencies, ...counts } = row
      return { ...counts, latenciesMs: latencies.map(Number) }
    },
    close: () => client.end(),
  }
}

const LOOK_EVERY_MS = 50

const unsealed = `(select count(*) from partition_heads as head where next_seq > coalesce((select first_seq + count
    from packets where partition_id = head.partition_id order by packet_no desc limit 1), 0))`

const uncertified = `(select count(*) from packets as packet left join packet_states as became using (partition_id, packet_no)
    where became.state is null or became.state not in ('anchored', 'proven'))
  + (select count(*) from rounds where state <> 'over')`

const done = `
  with made as (select round_id from rounds where made_ms >= $1),
    jobs as (select txid from round_jobs where round_id in (select round_id from made)),
    txids as (
      select txid from jobs
      union select result_tx from round_seats where job_tx in (select txid from jobs) and result_tx is not null
      union select txid from round_results where job_tx in (select txid from jobs)
      union select last_tx from rounds where round_id in (select round_id from made) and last_tx is not null),
    packed as (select packet.count, packet.sealed_ms, extract(epoch from became.certified_at) * 1000 - packet.sealed_ms as ms
      from packets as packet join packet_states as became using (partition_id, packet_no)
      where packet.sealed_ms >= $1 and became.certified_at is not null)
  select (select count(*) from made) as rounds,
    (select count(*) from packed) as packets,
    (select coalesce(sum(count), 0) from packed) as events,
    (select count(*) from txids) as transactions,
    (select coalesce(sum(length(raw)), 0) from chain_transactions where txid in (select txid from txids)) as bytes,
    (select coalesce(sum(cost), 0)::bigint from fuel_transactions where txid in (select txid from txids)) as satoshis,
    (select coalesce(array_agg(ms::text), '{}') from packed) as latencies`
