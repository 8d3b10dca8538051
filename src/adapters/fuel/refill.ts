import type { Pool } from 'pg'
import { type Spend, signTransaction } from '../../contract/spend.ts'
import type { Issuer } from '../../contract/tokens.ts'
import type { Output } from '../../contract/transaction.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import type { Coin } from './coins.ts'
import { decideRefill, isDust, type RefillPlan, type RefillState, sliceSatoshis } from './decide-refill.ts'
import { type FuelSettings, poolTarget } from './fuel-settings.ts'
import { type Made, recordWritten } from './record.ts'
import { changeOf, spendOf } from './write.ts'

export type RefillDeps = {
  readonly pool: Pool
  readonly key: Issuer
  readonly lock: Uint8Array
  readonly settings: FuelSettings
  now(): number
}

export type Refilled = {
  /** Transactions that have been signed and stored. */
  readonly transactions: number
  /** Coins for transactions among their outputs; the others are for fan-outs, once a block holds them. */
  readonly coins: number
  readonly missingSatoshis: number
}

/** In one database transaction; the next one goes on. */
const TRANSACTIONS_AT_ONCE = 50
/** Whoever refills holds it, so that two processes do not both make what is missing. */
const REFILL_LOCK = 0x6173_6601
/** A coin whose transaction has died so often is left alone; whoever runs the node has been told each time. */
const REBUILDS_MAX = 3

/** Signs and stores what brings the pool back to its size. Undefined where another process is doing so. */
export async function refill(deps: RefillDeps, wantedParents = 0): Promise<Refilled | undefined> {
  return inTransaction(deps.pool, async db => {
    const { rows } = await db.query<{ locked: boolean }>(
      `select pg_try_advisory_xact_lock(${REFILL_LOCK}) as locked`,
    )
    if (rows[0]?.locked !== true) return undefined
    const seen = await readState(db, deps)
    if (isIdle(decideRefill(seen, deps.settings, deps.lock, wantedParents), seen)) return nothingToDo
    // Once more, now that nobody else can take what is there: mostly there is nothing to do, and nothing to lock.
    const state = await readState(db, deps, 'for update skip locked')
    const plan = decideRefill(state, deps.settings, deps.lock, wantedParents)
    if (plan.underWay !== state.underWay)
      await db.query('update fuel_refill set under_way = $1', [plan.underWay])
    let transactions = 0
    let coins = 0
    const store = async (split: Split) => {
      if (transactions === TRANSACTIONS_AT_ONCE || !(await storeSplit(split, db, deps))) return
      transactions += 1
      if (split.kind === 'fuel') coins += split.outputs
    }
    const slice = sliceSatoshis(deps.settings, deps.lock)
    if (plan.gathered.length > 0) await store({ coins: plan.gathered, outputs: 0, each: 0, kind: 'treasury' })
    for (const { coin, outputs } of plan.branches)
      await store({ coins: [coin], outputs, each: slice, kind: 'treasury' })
    for (const coin of plan.fanOuts)
      await store({
        coins: [coin],
        outputs: deps.settings.fanout,
        each: deps.settings.coinSatoshis,
        kind: 'fuel',
      })
    return { transactions, coins, missingSatoshis: plan.missingSatoshis }
  })
}

const nothingToDo: Refilled = { transactions: 0, coins: 0, missingSatoshis: 0 }

function isIdle(
  { underWay, fanOuts, branches, gathered, missingSatoshis }: RefillPlan,
  state: RefillState,
): boolean {
  const transactions = fanOuts.length + branches.length + gathered.length
  return underWay === state.underWay && transactions === 0 && missingSatoshis === 0
}

type Split = {
  readonly coins: readonly Coin[]
  readonly outputs: number
  readonly each: number
  readonly kind: Made['kind']
}

/** Named after the first coin it spends, which no other transaction spends: so none is made twice. */
async function storeSplit(
  { coins, outputs, each, kind }: Split,
  db: Queryable,
  deps: RefillDeps,
): Promise<boolean> {
  const [first] = coins
  if (first === undefined) return false
  const stage = `split ${first.vout}`
  const rebuild = await countBuilt(first.txid, stage, db)
  if (rebuild > REBUILDS_MAX) return false
  const { key, lock, settings } = deps
  // Fewer each time: the same coins to the same outputs would be the same transaction, which is dead.
  const spent = outputs > 0 ? coins : coins.slice(0, coins.length - rebuild)
  const spends: Spend[] = spent.map(coin => spendOf(coin, lock, key.privateKey))
  const count = Math.max(0, outputs - rebuild)
  const parts: Output[] = Array.from({ length: count }, () => ({ satoshis: each, script: lock }))
  const rest = changeOf(spends, parts, lock, settings.satsPerKb)
  const all = rest === undefined ? parts : [...parts, rest]
  if (all.length === 0) return false
  const transaction = signTransaction(spends, all)
  const made = all.map(
    ({ satoshis }, vout): Made => ({
      vout,
      satoshis,
      kind: vout < count ? kind : 'treasury',
    }),
  )
  await db.query('savepoint split')
  const outcome = await recordWritten(
    db,
    { transaction, purpose: { subject: first.txid, stage, rebuild }, topics: [], spent, made },
    { owner: key.identityKey, nowMs: deps.now(), satsPerDayMax: settings.satsPerDayMax },
  )
  // What was not stored must not count for the day either.
  await db.query(outcome === 'recorded' ? 'release split' : 'rollback to split; release split')
  return outcome === 'recorded'
}

async function countBuilt(subject: string, stage: string, db: Queryable): Promise<number> {
  const { rows } = await db.query<{ built: number }>({
    name: 'fuel-built',
    text: 'select count(*)::int as built from fuel_transactions where subject = $1 and stage = $2',
    values: [bytea(subject), stage],
  })
  return rows[0]?.built ?? 0
}

async function readState(
  db: Queryable,
  { key, settings }: RefillDeps,
  locking: '' | 'for update skip locked' = '',
): Promise<RefillState> {
  const coinsMax = COINS_READ_MIN + Math.ceil((2 * poolTarget(settings)) / settings.fanout)
  const owner = bytea(key.identityKey)
  const fuel = await db.query<{ free: number; coming: number; underWay: boolean }>({
    name: 'fuel-pool',
    text: `select
        (select count(*)::int from fuel_coins
          where kind = 'fuel' and spent_by is null and mined_height is not null and owner = $1) as free,
        (select count(*)::int from fuel_coins join fuel_transactions using (txid)
          where kind = 'fuel' and spent_by is null and mined_height is null and owner = $1
            and state in ('stored', 'seen')) as coming,
        (select under_way from fuel_refill) as "underWay"`,
    values: [owner],
  })
  const coins = await db.query<Coin>({
    name: `fuel-treasury ${locking}`,
    text: `select encode(txid, 'hex') as txid, vout, satoshis from fuel_coins
      where kind in ('treasury', 'change') and claimed_for is null and spent_by is null and mined_height is not null
        and owner = $1
      order by satoshis desc, txid, vout limit $2 ${locking}`,
    values: [owner, coinsMax],
  })
  const coming = await db.query<{ satoshis: number }>({
    name: 'fuel-treasury-coming',
    text: `select satoshis from fuel_coins join fuel_transactions using (txid)
      where kind in ('treasury', 'change') and spent_by is null and mined_height is null and owner = $1
        and state in ('stored', 'seen')
      order by satoshis desc limit $2`,
    values: [owner, coinsMax],
  })
  const [{ free, coming: comingFuel, underWay } = { free: 0, coming: 0, underWay: false }] = fuel.rows
  return {
    free,
    coming: comingFuel,
    underWay,
    coins: coins.rows.filter(({ satoshis }) => !isDust(satoshis, settings)),
    comingCoins: coming.rows,
  }
}

/** Besides all slices of a pool and its reserve. */
const COINS_READ_MIN = 1000
