import { access } from 'node:fs/promises'
import { migrations } from '../../migrations/index.ts'
import { keyNames, readKey } from '../adapters/keys/keyring.ts'
import { type Recounted, recount } from '../adapters/log/recount.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { migrationState } from '../adapters/postgres/migration-state.ts'
import { errorCode } from '../runtime/error-code.ts'
import type { Settings } from '../runtime/settings.ts'
import { checkGround } from './check-ground.ts'
import { checkRunning } from './check-running.ts'
import { type Finding, looked, notLooked, ok, type Seen, wrong } from './finding.ts'
import { keyringOf, masterKeyFile } from './node-keys.ts'

export type CheckUpOptions = {
  /** Reads the lines of events too, and makes every packet again. */
  readonly deep: boolean
  now(): number
}

/** Looks at everything that a node stands on, in the order in which one thing needs another. Changes nothing. */
export async function* checkUp(
  settings: Settings,
  openDatabase: () => Promise<Database>,
  options: CheckUpOptions,
): AsyncGenerator<Finding> {
  yield* checkGround(settings)
  let database: Database | undefined
  yield await looked('database', async () => {
    database = await openDatabase()
    const { rows } = await database.pool.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    )
    return ok(`PostgreSQL ${rows[0]?.version}`)
  })
  if (database === undefined) {
    for (const name of ['migrations', 'clock', 'master key', 'log'])
      yield notLooked(name, 'it needs the database')
    return
  }
  const { pool, unhurried } = database
  const migrated = await looked('migrations', () => migrationsOf(pool))
  yield migrated
  yield await looked('clock', () => clock(pool, options.now))
  if (migrated.state === 'wrong') {
    for (const name of ['master key', 'log']) yield notLooked(name, 'it needs the migrations')
  } else {
    yield await looked('master key', () => masterKey(settings, pool))
    yield await looked('log', () => theLog(unhurried.pool, options.deep))
  }
  yield* checkRunning(settings)
}

async function migrationsOf(pool: Database['pool']): Promise<Seen> {
  const { pending, unknown } = await migrationState(pool, migrations)
  if (unknown.length > 0)
    return wrong(
      `${unknown.join(', ')} are of a newer version than this one`,
      'Run that version, or restore the copy of the database from before.',
    )
  return pending.length === 0
    ? ok(`all ${migrations.length} are applied`)
    : wrong(`${pending.join(', ')} are not applied`, 'Run `assay migrate`, or start a node.')
}

/** Times of events, leases and signatures are compared by both clocks. */
const CLOCK_SKEW_MS_MAX = 1_000

async function clock(pool: Database['pool'], now: () => number): Promise<Seen> {
  const before = now()
  const { rows } = await pool.query<{ ms: number }>(
    'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms',
  )
  const after = now()
  const theirs = rows[0]?.ms ?? 0
  // The server looked at its clock at some time between.
  const skew = theirs < before ? theirs - before : Math.max(0, theirs - after)
  return Math.abs(skew) <= CLOCK_SKEW_MS_MAX
    ? ok(`as the database has it, within ${Math.max(1, Math.abs(skew), after - before)} ms`)
    : wrong(
        `the database's clock is ${Math.abs(skew)} ms ${skew > 0 ? 'ahead of' : 'behind'} this machine's`,
        'Have both machines set their clocks by NTP.',
      )
}

async function masterKey(settings: Settings, pool: Database['pool']): Promise<Seen> {
  const { rows } = await pool.query<{ keys: number }>('select count(*) as keys from node_keys')
  const keys = rows[0]?.keys ?? 0
  const file = masterKeyFile(settings)
  if (file !== undefined && !(await isThere(file)))
    return keys === 0
      ? ok(`${file} is made at the first start`)
      : wrong(
          `${file} is not there, and ${keys} keys in the database are sealed with it`,
          'Restore it from a backup, or name it in ASSAY_MASTER_KEY_FILE.',
        )
  const keyring = await keyringOf(settings, pool)
  for (const name of keyNames) await readKey(name, keyring)
  return ok(`opens the ${keys} keys in the database`)
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

async function theLog(pool: Database['pool'], deep: boolean): Promise<Seen> {
  const counted = await recount(pool, { deep })
  if (counted.discrepancy === undefined) return ok(`${inWords(counted)}: they add up`)
  return wrong(
    counted.discrepancy,
    'Stop the nodes, keep a copy of the database as it is, and restore one from before; what packets were given out still proves itself.',
  )
}

function inWords({ events, appends, packets, partitions, held, ...verdicts }: Recounted): string {
  const { certified, split, inFlight } = verdicts
  return `${events} events in ${appends} appends and ${packets} packets of ${partitions} partitions, ${held} held; ${certified} certified, ${split} split, ${inFlight} in flight`
}
