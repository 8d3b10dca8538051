import type { Pool, PoolClient } from 'pg'

/** A pool, or one connection of it inside a transaction. */
export type Queryable = Pick<PoolClient, 'query'>

/** Hex, as a parameter of type bytea. */
export function bytea(hex: string): string {
  return `\\x${hex}`
}

/** As a parameter of type bytea[]. */
export function byteas(hexes: readonly string[]): string[] {
  return hexes.map(bytea)
}

/** As a parameter of an array type; the driver's own way takes about ten times as long. */
export function numbers(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`
}

/** As a parameter of type text[], the same way. */
export function texts(values: readonly string[]): string {
  const quoted = new Map<string, string>()
  return `{${values
    .map(value => {
      let item = quoted.get(value)
      if (item === undefined) {
        item = `"${value.replace(/["\\]/g, '\\$&')}"`
        quoted.set(value, item)
      }
      return item
    })
    .join(',')}}`
}

/** Bytes that the driver has read; its Buffers are several times as quick as a loop. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

export type TransactionOptions<T> = {
  /** What begins it; a lock that it takes may come in the same round trip. */
  readonly begin?: string
  /** An answer that is declined is rolled back, and still the answer. */
  readonly keep?: (answer: T) => boolean
}

/** Runs `work` in one transaction: all of it, or nothing. */
export async function inTransaction<T>(
  pool: Pool,
  work: (db: Queryable) => Promise<T>,
  options: TransactionOptions<T> = {},
): Promise<T> {
  const client = await pool.connect()
  try {
    const answer = await inTransactionOf(client, work, options)
    client.release()
    return answer
  } catch (error) {
    // Closed rather than rolled back: it also works where the connection is what has failed.
    client.release(true)
    throw error
  }
}

/** The same on a connection that the caller keeps; if it throws, the caller gives the connection up. */
export async function inTransactionOf<T>(
  client: Queryable,
  work: (db: Queryable) => Promise<T>,
  { begin = 'begin', keep = () => true }: TransactionOptions<T> = {},
): Promise<T> {
  const acts: (() => void)[] = []
  await client.query(begin)
  afterwards.set(client, acts)
  try {
    const answer = await work(client)
    const kept = keep(answer)
    await client.query(kept ? 'commit' : 'rollback')
    if (kept) for (const act of acts) act()
    return answer
  } finally {
    afterwards.delete(client)
  }
}

/** Of connections inside a transaction of ours. */
const afterwards = new WeakMap<Queryable, (() => void)[]>()

/** Once what this connection is in the middle of is committed. False: it is in no transaction that we know the end of. */
export function afterCommit(db: Queryable, act: () => void): boolean {
  const acts = afterwards.get(db)
  acts?.push(act)
  return acts !== undefined
}
