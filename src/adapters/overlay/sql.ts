import type { Pool, QueryConfig, QueryResult, QueryResultRow } from 'pg'

/** A pool, or one connection of it inside a transaction. */
export type Queryable = {
  query<R extends QueryResultRow>(query: QueryConfig): Promise<QueryResult<R>>
}

/** Hex, as a parameter of type bytea. */
export function bytea(hex: string): string {
  return `\\x${hex}`
}

/** As a parameter of type bytea[]. */
export function byteas(hexes: readonly string[]): string[] {
  return hexes.map(bytea)
}

export function txidText(bytes: Buffer): string {
  return bytes.toString('hex')
}

/**
 * Another process has written one of the rows first, taken out one that a row here refers to, or waits for what this
 * one holds. Nothing was written; read again, and try again.
 */
export function wasOvertaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && overtaken.has(String(error.code))
}

const [uniqueViolation, foreignKeyViolation, deadlock] = ['23505', '23503', '40P01']
const overtaken = new Set([uniqueViolation, foreignKeyViolation, deadlock])

/** Runs `work` in one transaction: all of it, or nothing. */
export async function inTransaction<T>(pool: Pool, work: (db: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const done = await work(client)
    await client.query('commit')
    client.release()
    return done
  } catch (error) {
    // Closed rather than rolled back: it also works where the connection is what has failed.
    client.release(true)
    throw error
  }
}
