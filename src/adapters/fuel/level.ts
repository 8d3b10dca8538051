import { bytea, type Queryable } from '../postgres/sql.ts'
import type { FuelLevel } from './fuel.ts'
import { coinsPerSecond, dayOf, type FuelSettings } from './fuel-settings.ts'

export type LevelDeps = {
  readonly owner: string
  readonly settings: FuelSettings
  now(): number
}

export async function readLevel(db: Queryable, { owner, settings, now }: LevelDeps): Promise<FuelLevel> {
  const { rows } = await db.query<{ outputs: number; spent: number }>({
    name: 'fuel-level',
    text: `select
        (select count(*)::int from fuel_coins
          where kind = 'fuel' and spent_by is null and mined_height is not null and owner = $1) as outputs,
        (select coalesce(sum(satoshis), 0)::bigint from fuel_days where day = $2) as spent`,
    values: [bytea(owner), dayOf(now())],
  })
  const [{ outputs, spent } = { outputs: 0, spent: 0 }] = rows
  return {
    outputs,
    seconds: Math.floor(outputs / coinsPerSecond(settings)),
    spentTodaySatoshis: spent,
    budgetSatoshis: settings.satsPerDayMax ?? null,
  }
}

/** What there is of one kind. */
export type Purse = { readonly coins: number; readonly satoshis: number }

export type Holdings = {
  readonly free: Readonly<Record<'treasury' | 'fuel' | 'change', Purse>>
  /** No block holds them yet. */
  readonly coming: Readonly<Record<'treasury' | 'fuel' | 'change', Purse>>
  /** Of transactions that the network would not have, and perhaps spent by what it had instead. */
  readonly contested: Purse
  /** Signed, and no word from the network yet. */
  readonly unsent: number
}

export async function readHoldings(db: Queryable, owner: string): Promise<Holdings> {
  const { rows } = await db.query<{ what: string; kind: string; coins: number; satoshis: number }>({
    text: `select what, kind, count(*)::int as coins, sum(satoshis)::bigint as satoshis from (
        select fuel_coins.satoshis, kind,
            case when spender.state = 'dead' then 'contested' when mined_height is not null then 'free' else 'coming' end as what
          from fuel_coins join fuel_transactions parent using (txid)
            left join fuel_transactions spender on spender.txid = spent_by
          where owner = $1 and parent.state <> 'dead' and (spent_by is null or spender.state = 'dead')
      ) as coin group by what, kind`,
    values: [bytea(owner)],
  })
  const unsent = await db.query<{ count: number }>(
    `select count(*)::int as count from fuel_transactions where state = 'stored'`,
  )
  const purse = (what: string, kind?: string): Purse =>
    rows
      .filter(row => row.what === what && (kind === undefined || row.kind === kind))
      .reduce(
        (sum, { coins, satoshis }) => ({ coins: sum.coins + coins, satoshis: sum.satoshis + satoshis }),
        { coins: 0, satoshis: 0 },
      )
  const purses = (what: string) => ({
    treasury: purse(what, 'treasury'),
    fuel: purse(what, 'fuel'),
    change: purse(what, 'change'),
  })
  return {
    free: purses('free'),
    coming: purses('coming'),
    contested: purse('contested'),
    unsent: unsent.rows[0]?.count ?? 0,
  }
}
