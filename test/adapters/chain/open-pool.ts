import pg from 'pg'
import { columnTypes } from '../../../src/adapters/postgres/column-types.ts'

export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8, types: columnTypes })
  // An idle connection that the server closes is opened again by the next query.
  pool.on('error', () => {})
  return pool
}
