import type { Pool } from 'pg'
import { bytea, byteas, hexOf, inTransaction, type Queryable } from '../../postgres/sql.ts'
import type { Anchor } from './anchor.ts'
import { type PlacedHeader, placeGenesis } from './judge-header.ts'

/** Held by whoever changes which chain is the best. */
const BEST_LOCK = 0x6173_6304

/** Begins the table with the network's first header. Throws where it holds another network's. */
export async function ensureGenesis(pool: Pool, anchor: Anchor): Promise<void> {
  const genesis = placeGenesis(anchor)
  await storeHeaders(pool, [genesis])
  const { rows } = await pool.query<{ hash: Buffer }>('select hash from headers where height = 0 and best')
  const first = rows[0] && hexOf(rows[0].hash)
  if (first !== genesis.hash)
    throw new Error(
      `the headers in this database begin with ${first ?? 'nothing'}, and this network begins with ${genesis.hash}. Use a database of its own for each network.`,
    )
}

/** Those of them that are here, by hash. */
export async function findPlaced(
  db: Queryable,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, PlacedHeader>> {
  const { rows } = await db.query<Row>({
    name: 'find-headers',
    text: `select hash, previous, height, header, work::text as work from headers where hash = any ($1::bytea[])`,
    values: [byteas(hashes)],
  })
  return new Map(
    rows.map(({ hash, previous, height, header, work }) => [
      hexOf(hash),
      { hash: hexOf(hash), previous: hexOf(previous), height, header, work: BigInt(work) },
    ]),
  )
}

type Row = { hash: Buffer; previous: Buffer; height: number; header: Buffer; work: string }

/**
 * Keeps them, parents first, whichever chain they are on; the best chain is the one with the most work, and of two
 * with equal work the one that was here first.
 */
export async function storeHeaders(pool: Pool, placed: readonly PlacedHeader[]): Promise<void> {
  const heaviest = placed.reduce<PlacedHeader | undefined>(
    (most, each) => (most === undefined || each.work > most.work ? each : most),
    undefined,
  )
  if (heaviest === undefined) return
  await inTransaction(
    pool,
    async db => {
      await db.query({
        text: `insert into headers (hash, previous, height, header, work, best)
          select *, false from unnest($1::bytea[], $2::bytea[], $3::integer[], $4::bytea[], $5::numeric[])
          on conflict do nothing`,
        values: [
          byteas(placed.map(({ hash }) => hash)),
          byteas(placed.map(({ previous }) => previous)),
          placed.map(({ height }) => height),
          placed.map(({ header }) => Buffer.from(header)),
          placed.map(({ work }) => String(work)),
        ],
      })
      await makeBest(heaviest, db)
    },
    { begin: `begin; select pg_advisory_xact_lock(${BEST_LOCK})` },
  )
}

async function makeBest({ hash, work }: PlacedHeader, db: Queryable): Promise<void> {
  const { rows } = await db.query<{ heavier: boolean }>({
    text: `select coalesce(max(work) < $1::numeric, true) as heavier from headers
      where best and height = (select max(height) from headers where best)`,
    values: [String(work)],
  })
  if (!rows[0]?.heavier) return
  const branch = await db.query<{ hash: Buffer; height: number; best: boolean }>({
    text: `with recursive branch as (
        select hash, previous, height, best from headers where hash = $1
        union all
        select below.hash, below.previous, below.height, below.best
          from branch join headers below on below.hash = branch.previous where not branch.best
      )
      select hash, height, best from branch`,
    values: [bytea(hash)],
  })
  const fork = branch.rows.find(({ best }) => best)?.height ?? -1
  await db.query({ text: 'update headers set best = false where best and height > $1', values: [fork] })
  await db.query({
    text: 'update headers set best = true where hash = any ($1::bytea[])',
    values: [branch.rows.filter(({ best }) => !best).map(each => each.hash)],
  })
}
