import knex from 'knex'
import type pg from 'pg'
import { localChain } from '../../../migrations/002-local-chain.ts'
import { emptyDatabase } from '../../support/database.ts'
import type { TemporaryDatabase } from '../../support/new-database.ts'
import { openPool } from './open-pool.ts'

/** Databases with the chain's tables, for one file of tests. */
export type ChainDatabases = {
  /** A fresh one. */
  database(): Promise<{ readonly url: string; readonly pool: pg.Pool }>
  /** Takes all of them away. */
  stop(): Promise<void>
}

export function chainDatabases(): ChainDatabases {
  const made: { database: TemporaryDatabase; pool: pg.Pool }[] = []
  return {
    async database() {
      const database = await emptyDatabase()
      const migrating = knex({ client: 'pg', connection: database.url })
      await localChain.up(migrating)
      await migrating.destroy()
      const pool = openPool(database.url)
      made.push({ database, pool })
      return { url: database.url, pool }
    },
    async stop() {
      for (const { database, pool } of made) {
        await pool.end()
        await database.drop()
      }
    },
  }
}
