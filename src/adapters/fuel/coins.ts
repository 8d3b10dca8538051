import { bytea, type Queryable } from '../postgres/sql.ts'
import { COINS_PER_ROUND } from './fuel-settings.ts'

/** An output that the fuel key opens. */
export type Coin = { readonly txid: string; readonly vout: number; readonly satoshis: number }

export type CoinRequest = {
  /** Identity key in hex. */
  readonly owner: string
  readonly subject: string
  readonly nowMs: number
}

/**
 * A few coins that are mined and free, and locked until the transaction at hand ends; nobody else gets the same.
 * The coins of one subject have one parent where that can be had: another parent would make its BEEF some
 * kilobytes longer. Called again in the same transaction, it answers with others; with none, there are none.
 */
export async function takeCoins(
  db: Queryable,
  request: CoinRequest,
  taken: readonly Coin[],
): Promise<Coin[]> {
  const values = [bytea(request.subject), bytea(request.owner)]
  const isNew = ({ txid, vout }: Coin) => !taken.some(coin => coin.txid === txid && coin.vout === vout)
  const read = async (name: string, text: string, more: readonly unknown[] = []) =>
    (await db.query<Coin>({ name, text, values: [...values, ...more] })).rows.filter(isNew)

  const own = await read('fuel-claimed', claimed)
  if (own.length > 0) return own
  const fresh = await read('fuel-claim', claim, [request.nowMs])
  if (fresh.length > 0) return fresh.sort((a, b) => a.vout - b.vout)
  const others = await read('fuel-claimed-by-others', claimedByOthers, [taken.length + 1])
  if (others.length > 0) return others.slice(0, 1)
  return (await read('fuel-change', change, [taken.length + 1])).slice(0, 1)
}

const coin = `encode(fuel_coins.txid, 'hex') as txid, fuel_coins.vout, satoshis`
const free = 'spent_by is null and mined_height is not null and owner = $2'

const claimed = `select ${coin} from fuel_coins
  where claimed_for = $1 and kind = 'fuel' and ${free} order by txid, vout for update skip locked`

const claim = `
  with free as materialized (
    select txid, vout from fuel_coins where kind = 'fuel' and claimed_for is null and ${free}
      order by txid, vout limit ${COINS_PER_ROUND} for update skip locked
  ), parent as (select txid from free order by txid limit 1)
  update fuel_coins set claimed_for = $1, claimed_ms = $3
    from free join parent using (txid)
    where fuel_coins.txid = free.txid and fuel_coins.vout = free.vout
    returning ${coin}`

/** Better another parent than no transaction. */
const claimedByOthers = `select ${coin} from fuel_coins
  where claimed_for is not null and claimed_for <> $1 and kind = 'fuel' and ${free}
  order by claimed_ms limit $3 for update skip locked`

const change = `select ${coin} from fuel_coins
  where kind = 'change' and claimed_for is null and ${free} and $1::bytea is not null
  order by satoshis desc limit $3 for update skip locked`
