import type { Pool } from 'pg'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { admittedOutput } from './admitted-output.ts'
import type { Hosted } from './hosted.ts'
import { collectIndexWrites, type IndexWrite } from './index-writes.ts'
import { runIndexWrites } from './run-index-writes.ts'
import { NETWORK, type Targets, toldInOrder } from './targets.ts'
import { wasOvertaken } from './was-overtaken.ts'

export type EvictDeps = {
  readonly pool: Pool
  readonly services: Hosted['services']
  readonly topics: readonly string[]
  readonly targets: Targets
  now(): number
}

/**
 * Takes a transaction out, with everything that descends from it: outputs, answers, index rows, what others were to
 * be told. What it had spent is unspent again, and what its topics let go of for it is admitted again. Its bytes are
 * kept with the reason. Resolves with the txids that went; none where it was not here.
 */
export async function evict(txid: string, reason: string, deps: EvictDeps): Promise<readonly string[]> {
  for (let attempt = 1; ; attempt++)
    try {
      return await evictOnce(txid, reason, deps)
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !wasOvertaken(error)) throw error
    }
}

/** How often it is begun again because something else held what it needs. */
const ATTEMPTS_MAX = 5

async function evictOnce(
  txid: string,
  reason: string,
  { pool, services, topics, targets, now }: EvictDeps,
): Promise<readonly string[]> {
  return inTransaction(pool, async db => {
    // First, so that an admission under way either comes before all this, or sees that it has to be judged again.
    const { rowCount } = await db.query({
      text: `update overlay_epoch set epoch = epoch + 1
        where exists (select from transactions where txid = $1) returning epoch`,
      values: [bytea(txid)],
    })
    if (rowCount === 0) return []
    const { rows } = await db.query<{ txid: string }>({ text: descendants, values: [bytea(txid)] })
    const gone = rows.map(row => row.txid)
    const outputs = await db.query<Place>({ text: outputsOf, values: [byteas(gone)] })
    const coins = await db.query<FreedCoin>({ text: coinsFreedBy, values: [byteas(gone)] })
    const all = Object.values(services)
    await tell(db, now(), async () => {
      for (const service of all) {
        for (const { txid, vout } of outputs.rows) await service.outputEvicted(txid, vout)
        for (const coin of coins.rows) if (coin.held) await service.outputUnspent?.(unspent(coin))
      }
    })
    for (const coin of coins.rows)
      if (!coin.held)
        await tell(db, coin.admittedMs, async () => {
          for (const service of all)
            await service.outputAdmittedByTopic(await admittedOutput(service, coin, db))
        })
    const told = [
      { target: NETWORK, topic: null },
      ...topics.flatMap(topic => targets.of(topic).map(target => ({ target, topic }))),
    ]
    await db.query({
      text: tellOfParents,
      values: [byteas(gone), told.map(({ target }) => target), told.map(({ topic }) => topic), now()],
    })
    for (const text of removals) await db.query({ text, values: [byteas(gone)] })
    await restore(coins.rows, db)
    await db.query({ text: moveToEvicted, values: [byteas(gone), keptText(reason), now()] })
    return gone
  })
}

type Place = { txid: string; vout: number }

/** An output that stays, and that one of those that go had spent. `held`: its topic has kept it meanwhile. */
type FreedCoin = Place & {
  topic: string
  spender: string
  held: boolean
  raw: Buffer
  values: Buffer | null
  admittedMs: number
}

const descendants = `
  with recursive gone (txid) as (
    select txid from transactions where txid = $1
    union
    select coins.spender from gone join coins on coins.txid = gone.txid where coins.spender is not null
  )
  select encode(txid, 'hex') as txid from gone`

const outputsOf = `select distinct encode(txid, 'hex') as txid, vout from outputs where txid = any ($1)`

const coinsFreedBy = `
  select encode(coins.txid, 'hex') as txid, coins.vout, coin.topic, encode(spender, 'hex') as spender,
      outputs.txid is not null as held, raw, bytes as values, coin.applied_ms as "admittedMs"
    from coins
    join applied as coin on coin.txid = coins.txid and coins.vout = any (coin.admitted)
    join applied as answer on answer.txid = coins.spender and answer.topic = coin.topic
    join transactions on transactions.txid = coins.txid
    left join outputs on outputs.txid = coins.txid and outputs.vout = coins.vout and outputs.topic = coin.topic
    left join off_chain_values as kept on kept.txid = coins.txid and kept.topic = coin.topic
    where spender = any ($1) and not coins.txid = any ($1)`

// They were to be told of together with what goes; nobody may have been told yet.
const tellOfParents = `
  insert into outbox (txid, target, topics, due_ms, in_order)
  select parent.txid, target, array_agg(distinct applied.topic), $4::bigint,
      ${toldInOrder('target', 'array_agg(applied.topic)')}
    from coins
    join transactions as parent on parent.txid = coins.txid and parent.proof is null
    join applied on applied.txid = parent.txid
    join unnest($2::text[], $3::text[]) as told (target, topic)
      on told.topic is null or told.topic = applied.topic
    where spender = any ($1) and not coins.txid = any ($1)
    group by parent.txid, target
  on conflict do nothing`

const removals = [
  'delete from outbox where txid = any ($1)',
  'delete from off_chain_values where txid = any ($1)',
  'delete from applied where txid = any ($1)',
  'delete from outputs where txid = any ($1)',
  'delete from coins where txid = any ($1) or (spender = any ($1) and admissions = 0)',
  'update coins set spender = null where spender = any ($1)',
]

const moveToEvicted = `
  with gone as (delete from transactions where txid = any ($1) returning txid, raw)
  insert into evicted (txid, raw, reason, evicted_ms) select txid, raw, $2, $3::bigint from gone on conflict do nothing`

/** Has the indexes take in what they are told. */
async function tell(db: Queryable, nowMs: number, say: () => Promise<void>): Promise<void> {
  const writes: IndexWrite[] = []
  await collectIndexWrites(writes, say)
  await runIndexWrites(db, writes, nowMs)
}

function unspent({ txid, vout, topic, spender }: FreedCoin) {
  return { txid, outputIndex: vout, topic, spendingTxid: spender }
}

async function restore(coins: readonly FreedCoin[], db: Queryable): Promise<void> {
  const lost = coins.filter(({ held }) => !held)
  await db.query({
    text: `insert into outputs (txid, vout, topic, admitted_ms)
      select * from unnest($1::bytea[], $2::bigint[], $3::text[], $4::bigint[]) on conflict do nothing`,
    values: [
      byteas(lost.map(({ txid }) => txid)),
      lost.map(({ vout }) => vout),
      lost.map(({ topic }) => topic),
      lost.map(({ admittedMs }) => admittedMs),
    ],
  })
}
