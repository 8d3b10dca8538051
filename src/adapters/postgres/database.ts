import knexFor, { type Knex } from 'knex'
import pg from 'pg'
import type { Log } from '../../runtime/log.ts'
import { addressOf } from './address.ts'
import { columnTypes } from './column-types.ts'
import { BoundedClient, openSession, orCutOff, type Session } from './session.ts'

/**
 * A PostgreSQL that answered. One pool and one bound: hot paths query it directly, and Knex, for whatever is not
 * hot, takes its connections from the same. A process never has more than `connectionsMax` of them, besides the few
 * for questions, and the sessions that it asks for by name.
 */
export type Database = {
  readonly pool: pg.Pool
  readonly knex: Knex
  /** For what strangers look up: few connections and little time, so that no question keeps us from our work. */
  readonly questions: pg.Pool
  /** For what may take hours: a new shape of a large table, a look at a whole log. Few connections, and no bounds on time. */
  readonly unhurried: { readonly pool: pg.Pool; readonly knex: Knex }
  /**
   * A connection of its own, outside the pool and without the pool's bounds on time, for what is held: a lock, a
   * LISTEN. The caller ends it; where it breaks it emits `end`.
   */
  session(): Promise<Session>
  /** Resolves once every connection that was lent has come back and all are closed. */
  close(): Promise<void>
}

export type DatabaseOptions = {
  /** postgres://user:password@host:port/name, a session of PostgreSQL's own and not a transaction pooler's. */
  readonly url: string
  readonly log: Log
  /** How the sessions are called in pg_stat_activity. */
  readonly applicationName: string
  readonly connectionsMax?: number
  readonly statementMsMax?: number
  readonly questionMsMax?: number
  readonly idleInTransactionMsMax?: number
  readonly silenceMsMax?: number
}

/** A core of the server runs few statements at a time; more connections than that only queue inside it. */
export const connectionsMaxDefault = 10
/** A statement of ours takes milliseconds. What takes this long is a mistake, or waits for one. */
export const statementMsMaxDefault = 30_000
/** Beside `connectionsMax`. */
export const questionConnectionsMax = 3
/** An index answers within a few milliseconds; whoever asks for more than that has to ask for less. */
export const questionMsMaxDefault = 2_000
/** A transaction that its process forgot, or that died without closing its socket, lets go of its locks. */
export const idleInTransactionMsMaxDefault = 60_000
/**
 * So long after the server should have ended a statement itself, it is gone without a word: a machine that lost its power,
 * a network that was cut. The system would wait a quarter of an hour for it.
 */
export const silenceMsMaxDefault = 5_000
/** Who only listens for news of the server asks now and then whether it is still there. */
const keepAliveMs = 10_000
/** Beside `connectionsMax`; none while nobody asks. */
const unhurriedConnectionsMax = 2
/** For a free connection of the pool, and for a server that accepts and says nothing. */
export const connectMsMax = 10_000
const idleMsMax = 30_000

export const serverMajorMin = 14

/** Opens a pool and asks the server who it is. Throws a sentence about what to do, which never has the password. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { log, applicationName } = options
  const address = addressOf(options.url)
  const connection: pg.ClientConfig = {
    connectionString: options.url,
    application_name: applicationName,
    connectionTimeoutMillis: connectMsMax,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    types: columnTypes,
  }
  const session = () => openSession(connection, options.url)
  await refuseUnfitServer(session, address)

  const openPool = (max: number, bounds: pg.ClientConfig) => {
    const pool = new pg.Pool({
      ...connection,
      Client: BoundedClient,
      max,
      idleTimeoutMillis: idleMsMax,
      ...bounds,
    })
    pool.on('error', error => log.warn({ err: error, address }, 'an idle database connection was lost'))
    // The pool listens to idle clients only. One that is lent and between two statements would end the process.
    pool.on('connect', client => client.on('error', () => undefined))
    return pool
  }
  const within = (statementMsMax: number): pg.ClientConfig => ({
    statement_timeout: statementMsMax,
    query_timeout: statementMsMax + (options.silenceMsMax ?? silenceMsMaxDefault),
    idle_in_transaction_session_timeout: options.idleInTransactionMsMax ?? idleInTransactionMsMaxDefault,
  })
  const pool = openPool(
    options.connectionsMax ?? connectionsMaxDefault,
    within(options.statementMsMax ?? statementMsMaxDefault),
  )
  const questions = openPool(questionConnectionsMax, within(options.questionMsMax ?? questionMsMaxDefault))
  const unhurried = openPool(unhurriedConnectionsMax, {})
  const knexOf = (connectionPool: pg.Pool) => knexFor({ client: 'pg', connectionPool, log: knexLog(log) })
  const [knex, unhurriedKnex] = [knexOf(pool), knexOf(unhurried)]
  async function close() {
    await Promise.all([pool, questions, unhurried].map(each => each.end()))
    await Promise.all([knex, unhurriedKnex].map(each => each.destroy()))
  }
  let closed: Promise<void> | undefined
  return {
    pool,
    questions,
    unhurried: { pool: unhurried, knex: unhurriedKnex },
    knex,
    session,
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

async function refuseUnfitServer(session: () => Promise<Session>, address: string): Promise<void> {
  const client = await session()
  const asking = client.query<{ number: number; version: string; encoding: string }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
       current_setting('server_encoding') as encoding`,
  )
  const { rows } = await orCutOff(client, connectMsMax, asking).finally(() => client.end())
  const [server] = rows
  if (server === undefined || server.number < serverMajorMin * 10_000)
    throw new Error(
      `The database at ${address} is PostgreSQL ${server?.version}; this needs version ${serverMajorMin} or newer. ` +
        'Point DATABASE_URL at a newer server, or unset it to use the embedded one.',
    )
  if (server.encoding !== 'UTF8')
    throw new Error(
      `The database at ${address} is encoded as ${server.encoding}, which cannot hold every text. Create one with ` +
        '`create database … encoding UTF8 template template0`, and name it in DATABASE_URL.',
    )
}

function knexLog(log: Log): Knex.Logger {
  const say = (message: unknown) => log.warn({ knex: message }, 'Knex has something to say')
  return {
    warn: say,
    error: say,
    debug: () => undefined,
    deprecate: (method, instead) => say({ method, instead }),
  }
}
