import type { Transaction } from '../../contract/transaction.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import type { Coin } from './coins.ts'
import type { Purpose } from './fuel.ts'
import { dayOf } from './fuel-settings.ts'

/** A transaction of ours, signed, with what it takes from our coins and gives back to them. */
export type Written = {
  readonly transaction: Transaction
  readonly purpose: Purpose
  readonly topics: readonly string[]
  readonly offChainValues?: Uint8Array | undefined
  readonly spent: readonly Coin[]
  readonly made: readonly Made[]
}

/** An output that pays the fuel key. */
export type Made = {
  readonly vout: number
  readonly satoshis: number
  readonly kind: 'treasury' | 'fuel' | 'change'
}

export type RecordDeps = {
  readonly owner: string
  readonly nowMs: number
  readonly satsPerDayMax: number | undefined
}

/**
 * Stores it with all that goes with it, in one statement, which writes everything or nothing:
 * `known`: there is one for the same purpose, or the very same transaction; `over-budget`: the day has no room for what it costs.
 */
export async function recordWritten(
  db: Queryable,
  written: Written,
  { owner, nowMs, satsPerDayMax }: RecordDeps,
): Promise<'recorded' | 'known' | 'over-budget'> {
  const { transaction, purpose, topics, offChainValues, spent, made } = written
  const cost = sumOf(spent) - sumOf(made)
  const { rows } = await db.query<{ budgeted: number; written: number; spent: number }>({
    name: 'fuel-record',
    text: record,
    values: [
      dayOf(nowMs),
      cost,
      satsPerDayMax ?? null,
      bytea(transaction.txid),
      transaction.raw,
      bytea(purpose.subject),
      purpose.stage,
      purpose.rebuild,
      topics,
      offChainValues ?? null,
      nowMs,
      byteas(spent.map(({ txid }) => txid)),
      spent.map(({ vout }) => vout),
      bytea(owner),
      made.map(({ vout }) => vout),
      made.map(({ satoshis }) => satoshis),
      made.map(({ kind }) => kind),
    ],
  })
  const [done = { budgeted: 0, written: 0, spent: 0 }] = rows
  if (done.budgeted === 0) return 'over-budget'
  if (done.written === 0) return 'known'
  // They were locked when they were taken: nobody but a bug of ours can have spent one of them.
  if (done.spent !== spent.length)
    throw new Error(`${transaction.txid} spends ${spent.length} coins, of which ${done.spent} are free`)
  return 'recorded'
}

const record = `
  with day as (
    insert into fuel_days (day, satoshis) select $1::bigint, $2::bigint where $3::bigint is null or $2 <= $3
      on conflict (day) do update set satoshis = fuel_days.satoshis + excluded.satoshis
        where $3::bigint is null or excluded.satoshis <= 0 or fuel_days.satoshis + excluded.satoshis <= $3
      returning 1
  ), written as (
    insert into fuel_transactions
        (txid, raw, state, subject, stage, rebuild, topics, off_chain_values, cost, written_ms, due_ms)
      select $4::bytea, $5::bytea, 'stored', $6::bytea, $7::text, $8::int, $9::text[], $10::bytea, $2, $11::bigint, $11
        where exists (select from day)
      on conflict do nothing
      returning 1
  ), spent as (
    update fuel_coins set spent_by = $4 from unnest($12::bytea[], $13::bigint[]) as coin (txid, vout)
      where fuel_coins.txid = coin.txid and fuel_coins.vout = coin.vout and fuel_coins.spent_by is null
        and exists (select from written)
      returning 1
  ), made as (
    insert into fuel_coins (txid, vout, owner, satoshis, kind)
      select $4, coin.vout, $14::bytea, coin.satoshis, coin.kind
        from unnest($15::bigint[], $16::bigint[], $17::text[]) as coin (vout, satoshis, kind)
        where exists (select from written)
  )
  select (select count(*) from day)::int as budgeted, (select count(*) from written)::int as written,
    (select count(*) from spent)::int as spent`

function sumOf(coins: readonly { readonly satoshis: number }[]): number {
  return coins.reduce((sum, { satoshis }) => sum + satoshis, 0)
}
