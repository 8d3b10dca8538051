import { concatAll } from '../../core/bytes.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { rootOf } from './block.ts'
import type { Chain, Tip } from './chain.ts'
import type { HeaderRun } from './header-run.ts'

/** Where a chain keeps its headers: the local chain with its blocks, the others by themselves. */
export type HeaderTable = 'chain_blocks' | 'headers'

const HEADERS_PER_QUERY = 2_000
/** How many of the last blocks are tried first, second and third for one that is still on the best chain. */
const LOOKING_BACK = [1, 128, Number.POSITIVE_INFINITY] as const

/**
 * Brings the run up to the best chain of the database. Answers with the highest block that was in it before and
 * still is, or undefined where nothing changed.
 */
export async function catchUp(
  client: Queryable,
  run: HeaderRun,
  headersKept: number,
  table: HeaderTable = 'chain_blocks',
): Promise<number | undefined> {
  let lowest: number | undefined
  for (;;) {
    const news = await readNews(client, run, table)
    if (news === undefined) {
      // Empty, or so far behind that no block of the run is left: begin again near the tip.
      run.reset(await firstKept(client, headersKept, table))
      const begun = await readStoredHeaders(client, run.firstHeight(), HEADERS_PER_QUERY, table)
      if (begun.length === 0)
        throw new Error('the database holds no block; was its chain taken away meanwhile?')
      run.replaceAbove(run.firstHeight() - 1, begun)
      lowest = -1
      continue
    }
    const changed = news.headers.length > 0 || news.fork !== run.tip()?.height
    if (!changed) return lowest
    run.replaceAbove(news.fork, news.headers)
    lowest = Math.min(lowest ?? news.fork, news.fork)
  }
}

/** One statement, so that the fork and what stands above it are of one moment. */
async function readNews(
  client: Queryable,
  run: HeaderRun,
  table: HeaderTable,
): Promise<{ fork: number; headers: Uint8Array } | undefined> {
  const tip = run.tip()
  if (tip === undefined) return undefined
  for (const back of LOOKING_BACK) {
    const lowest = Math.max(run.firstHeight(), tip.height - back + 1)
    const hashes = Array.from({ length: tip.height - lowest + 1 }, (_, i) => run.hashAt(lowest + i) ?? '')
    const { rows } = await client.query<{ fork: number | null; header: Buffer | null }>({
      name: `${table}-news`,
      text: `WITH fork AS (SELECT max(height) AS height FROM ${table} WHERE best AND hash = ANY ($1::bytea[]))
             SELECT fork.height AS fork, b.header FROM fork
             LEFT JOIN ${table} b ON b.best AND b.height > fork.height
             ORDER BY b.height LIMIT $2`,
      values: [byteas(hashes), HEADERS_PER_QUERY],
    })
    const fork = rows[0]?.fork
    if (typeof fork === 'number')
      return { fork, headers: concatAll(rows.flatMap(({ header }) => header ?? [])) }
    if (lowest === run.firstHeight()) break
  }
  return undefined
}

async function firstKept(client: Queryable, headersKept: number, table: HeaderTable): Promise<number> {
  const { rows } = await client.query<{ height: number | null }>(
    `SELECT max(height) AS height FROM ${table} WHERE best`,
  )
  return Math.max(0, (rows[0]?.height ?? 0) - headersKept + 1)
}

/** From the database: for heights that the run has forgotten. */
export async function readStoredHeaders(
  client: Queryable,
  from: number,
  count: number,
  table: HeaderTable = 'chain_blocks',
): Promise<Uint8Array> {
  const { rows } = await client.query<{ header: Buffer }>(
    `SELECT header FROM ${table} WHERE best AND height >= $1 AND height < $1 + $2 ORDER BY height`,
    [from, count],
  )
  return concatAll(rows.map(({ header }) => header))
}

/** Undefined where the headers are kept elsewhere, as by a node that follows another one's local chain. */
export async function readHeaderAt(
  client: Queryable,
  { network }: Pick<Chain, 'network'>,
  height: number,
): Promise<Uint8Array | undefined> {
  const table = network === 'local' ? 'chain_blocks' : 'headers'
  const header = await readStoredHeaders(client, height, 1, table)
  return header.length === 80 ? header : undefined
}

export async function readStoredRoot(
  client: Queryable,
  height: number,
  table: HeaderTable = 'chain_blocks',
): Promise<string | undefined> {
  const header = await readStoredHeaders(client, height, 1, table)
  return header.length === 0 ? undefined : rootOf(header)
}

/** How far a branch that was left behind is shared with the best chain; -1 where the block was never seen. */
export async function forkBelow(
  client: Queryable,
  { hash }: Tip,
  table: HeaderTable = 'chain_blocks',
): Promise<number> {
  const { rows } = await client.query<{ height: number }>(
    `WITH RECURSIVE back AS (
       SELECT previous, height, best FROM ${table} WHERE hash = $1
       UNION ALL
       SELECT b.previous, b.height, b.best FROM back JOIN ${table} b ON b.hash = back.previous
       WHERE NOT back.best
     )
     SELECT height FROM back WHERE best`,
    [bytea(hash)],
  )
  return rows[0]?.height ?? -1
}
