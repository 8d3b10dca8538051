import pg from 'pg'
import { columnTypes } from '../../../src/adapters/postgres/column-types.ts'

export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8, types: columnTypes })
  // As openDatabase has it: a connection that the server closes is told of by the query under way, or opened again.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}
