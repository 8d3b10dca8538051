import type { Knex } from 'knex'
import type { Migration } from '../../../migrations/index.ts'
import { errorCode } from '../../runtime/error-code.ts'
import type { Database } from './database.ts'

export type MigrateOptions = {
  /** How long to wait for another process that is migrating the same database. */
  readonly waitMsMax?: number
}

/** Longer than a migration takes on a large database, and not for ever. */
export const migrationWaitMsMaxDefault = 900_000

/**
 * Brings the database to where the code is; answers what this call applied, in order. Processes that come at once
 * take turns, and the later ones find it done. A lock held by a session ends with the process that holds it, so one
 * that was killed stands in nobody's way.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  { waitMsMax = migrationWaitMsMaxDefault }: MigrateOptions = {},
): Promise<string[]> {
  refuseUnordered(migrations)
  const lock = await takeLock(database, waitMsMax)
  try {
    const { knex } = database.unhurried
    const config = migratorConfig(migrations)
    await refuseAhead(knex, config, migrations)
    // Knex marks a table while it works, and the mark outlives its process. Ours is the lock that counts.
    await knex.migrate.forceFreeMigrationsLock(config)
    const applied: string[] = []
    for (;;) {
      if (lock.isLost())
        throw new Error('The session that kept other processes from migrating was lost. Start again.')
      // One at a time, each in a transaction of its own, its record included.
      const [, [name] = []]: [number, string[]] = await knex.migrate.up(config)
      if (name === undefined) return applied
      applied.push(name)
    }
  } finally {
    await lock.release()
  }
}

export const migrationsTable = 'assay_migrations'
const namePattern = /^\d{3}-[a-z0-9]+(-[a-z0-9]+)*$/

function refuseUnordered(migrations: readonly Migration[]): void {
  for (const [i, { name }] of migrations.entries()) {
    if (!namePattern.test(name)) throw new Error(`migration "${name}" is not called like 001-overlay`)
    const before = migrations[i - 1]?.name.slice(0, 3) ?? ''
    if (name.slice(0, 3) <= before)
      throw new Error(`migration "${name}" comes after ${before}; numbers must rise`)
  }
}

type Lock = { isLost(): boolean; release(): Promise<void> }

async function takeLock(database: Database, waitMsMax: number): Promise<Lock> {
  const session = await database.session()
  let isLost = false
  session.once('end', () => {
    isLost = true
  })
  try {
    await session.query(`set lock_timeout = ${Math.ceil(waitMsMax)}`)
    await session.query("select pg_advisory_lock(hashtextextended('assay: migrate', 0))")
  } catch (error) {
    await session.end()
    if (errorCode(error) !== lockNotAvailable) throw error
    throw new Error(
      `Another process has been migrating this database for ${waitMsMax / 1000} s. Wait for it, or end it; pg_locks ` +
        'shows it as the holder of an advisory lock.',
      { cause: error },
    )
  }
  return { isLost: () => isLost, release: () => session.end() }
}

const lockNotAvailable = '55P03'

async function refuseAhead(
  knex: Knex,
  config: Knex.MigratorConfig,
  migrations: readonly Migration[],
): Promise<void> {
  const known = new Set(migrations.map(({ name }) => name))
  const [completed]: [{ name: string }[]] = await knex.migrate.list({
    ...config,
    disableMigrationsListValidation: true,
  })
  const unknown = completed.map(({ name }) => name).filter(name => !known.has(name))
  if (unknown.length === 0) return
  throw new Error(
    `The database has migrations that this version does not know: ${unknown.join(', ')}. A newer version has used it; ` +
      'run that one, or restore the copy from before.',
  )
}

function migratorConfig(migrations: readonly Migration[]): Knex.MigratorConfig {
  const migrationSource: Knex.MigrationSource<Migration> = {
    getMigrations: async () => [...migrations],
    getMigrationName: ({ name }) => name,
    getMigration: async migration => migration,
  }
  return { tableName: migrationsTable, migrationSource }
}
