import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { isConnectionLoss } from '../../../src/adapters/postgres/connection-loss.ts'
import {
  type DatabaseOptions,
  openDatabase,
  questionConnectionsMax,
} from '../../../src/adapters/postgres/database.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../../src/adapters/postgres/embedded-server.ts'
import { inTransaction } from '../../../src/adapters/postgres/sql.ts'
import { movableAddress } from '../../support/movable-address.ts'
import { newDatabase } from '../../support/new-database.ts'
import { silentLog } from '../../support/silent-log.ts'
import { describeOnEveryServer } from './every-server.ts'

const open = (url: string, more: Partial<DatabaseOptions> = {}) =>
  openDatabase({ url, log: silentLog, applicationName: 'assay test', ...more })

const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    error => error,
  )

describeOnEveryServer('a database', given => {
  test('reads bigint as a number, also in arrays and through Knex, in its own connections only', async () => {
    const url = await given.url()
    const { pool, knex } = given.closing(await open(url))
    const sql =
      'select 9007199254740991 as most, -1::int8 as less, array[1, null, -7]::int8[] as several, count(*) from pg_class'
    const expected = {
      most: Number.MAX_SAFE_INTEGER,
      less: -1,
      several: [1, null, -7],
      count: expect.any(Number),
    }
    expect((await pool.query(sql)).rows).toEqual([expected])
    expect((await knex.raw(sql)).rows).toEqual([expected])

    const stranger = new pg.Client(url)
    await stranger.connect()
    expect((await stranger.query('select 1::int8 as one')).rows).toEqual([{ one: '1' }])
    await stranger.end()
  })

  test('refuses a bigint that a number cannot hold, and goes on', async () => {
    const { pool, knex } = given.closing(await open(await given.url(), { connectionsMax: 1 }))
    const sql = 'select 9007199254740992 as over'
    await expect(pool.query(sql)).rejects.toThrow('bigint 9007199254740992 cannot be held exactly')
    await expect(knex.raw(sql)).rejects.toThrow('bigint 9007199254740992 cannot be held exactly')
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('has one bound on connections for the pool and for Knex', async () => {
    const { pool, knex } = given.closing(await open(await given.url(), { connectionsMax: 2 }))
    const backend = 'select pg_backend_pid() as pid'
    const ways = Array.from({ length: 12 }, (_, i) => (i % 2 ? pool.query(backend) : knex.raw(backend)))
    const pids = new Set((await Promise.all(ways)).map(({ rows }) => rows[0].pid))
    expect(pids.size).toBeLessThanOrEqual(2)
    expect(pool.totalCount).toBeLessThanOrEqual(2)
  })

  test('keeps questions of strangers apart, and ends them soon', async () => {
    const { pool, questions } = given.closing(
      await open(await given.url(), { connectionsMax: 2, questionMsMax: 300 }),
    )
    const asked = Array.from({ length: 3 * questionConnectionsMax }, () =>
      questions.query('select pg_sleep(60)'),
    )
    const told = Promise.allSettled(asked)
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(questions.totalCount).toBeLessThanOrEqual(questionConnectionsMax)
    for (const each of await told)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: '57014' } })
  })

  test('ends a statement and a transaction that take too long', async () => {
    const bounds = { statementMsMax: 50, idleInTransactionMsMax: 50 }
    const { pool } = given.closing(await open(await given.url(), bounds))
    await expect(pool.query('select pg_sleep(60)')).rejects.toMatchObject({ code: '57014' })

    const client = await pool.connect()
    const over = new Promise(resolve => client.once('end', resolve))
    await client.query('begin')
    await over
    await expect(client.query('select')).rejects.toThrow()
    client.release(true)
  })

  test('gives a server up that says nothing any more, and finds the one that has its address next', async () => {
    const url = new URL(await given.url())
    const address = await movableAddress(Number(url.port))
    try {
      const bounds = { connectionsMax: 2, statementMsMax: 300, silenceMsMax: 100 }
      const { pool } = given.closing(await open(address.at(url.href), bounds))
      await Promise.all([pool.query('select pg_sleep(0.01)'), pool.query('select pg_sleep(0.01)')])
      address.fallSilent()
      const asked = [rejectionOf(pool.query('select')), rejectionOf(inTransaction(pool, async () => 'never'))]
      for (const lost of await Promise.all(asked)) expect(isConnectionLoss(lost)).toBe(true)
      address.moveTo(Number(url.port))
      expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    } finally {
      await address.close()
    }
  })

  test('bounds no time where nobody hurries', async () => {
    const { unhurried } = given.closing(
      await open(await given.url(), { statementMsMax: 50, questionMsMax: 50, silenceMsMax: 50 }),
    )
    const slow = "select 'done' as what from pg_sleep(0.5)"
    expect((await unhurried.pool.query(slow)).rows).toEqual([{ what: 'done' }])
    expect((await unhurried.knex.raw(slow)).rows).toEqual([{ what: 'done' }])
  })

  test('says in pg_stat_activity who it is', async () => {
    const { pool } = given.closing(await open(await given.url()))
    const { rows } = await pool.query(
      'select application_name as name from pg_stat_activity where pid = pg_backend_pid()',
    )
    expect(rows).toEqual([{ name: 'assay test' }])
  })

  test('survives losing connections that are idle, lent out, or in a transaction of Knex', async () => {
    const url = await given.url()
    const { pool, knex } = given.closing(await open(url))
    const other = given.closing(await open(url))
    const endAll = () =>
      other.pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )

    await pool.query('select')
    await endAll()
    const lent = await pool.connect()
    const over = new Promise(resolve => lent.once('end', resolve))
    await endAll()
    await over
    lent.release()

    const lost = await rejectionOf(
      knex.transaction(async transaction => {
        await transaction.raw('select')
        await endAll()
        await transaction.raw('select')
      }),
    )
    expect(isConnectionLoss(lost)).toBe(true)
    const ended = rejectionOf(pool.query('select pg_sleep(60)'))
    await vi.waitFor(async () => {
      const { rows } = await other.pool.query(
        "select from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'",
      )
      expect(rows).toHaveLength(1)
    })
    await endAll()
    expect(isConnectionLoss(await ended)).toBe(true)
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect((await knex.raw('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('gives a session that is not one of the pool’s, without bounds on time', async () => {
    const { pool, session } = given.closing(
      await open(await given.url(), { connectionsMax: 1, statementMsMax: 50 }),
    )
    const own = await session()
    await own.query('listen news')
    const heard = new Promise(resolve => own.once('notification', resolve))
    await pool.query("notify news, 'it works'")
    expect(await heard).toMatchObject({ channel: 'news', payload: 'it works' })
    expect((await own.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '0' }])
    await own.end()
  })

  test('can be closed twice', async () => {
    const database = await open(await given.url())
    await Promise.all([database.close(), database.close()])
    await expect(database.pool.query('select')).rejects.toThrow()
  })

  test('is refused where its encoding cannot hold every text', async () => {
    const url = new URL(await given.url())
    const name = `${url.pathname.slice(1)}_ascii`
    const { pool } = given.closing(await open(url.href))
    await pool.query(
      `create database ${name} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`,
    )
    url.pathname = name
    await expect(open(url.href)).rejects.toThrow(/is encoded as SQL_ASCII.*encoding UTF8/)
    await pool.query(`drop database ${name}`)
  })
})

const doors: Server[] = []
afterEach(() => {
  for (const door of doors.splice(0)) door.close()
})

async function listen(door: Server): Promise<number> {
  doors.push(door)
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  const address = door.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  return address.port
}

describe('a database that cannot be opened', () => {
  // Its password, its lack of TLS and its version are ours to know.
  let dataDir: string
  let server: EmbeddedServer
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'assay-refusing-'))
    server = await startEmbeddedServer({ dataDir, log: silentLog, settings: { fsync: 'off' } })
  }, 60_000)
  afterAll(async () => {
    await server.stop({ evenIfInUse: true })
    rmSync(dataDir, { recursive: true, force: true })
  }, 60_000)

  const secret = 'Z3cr3t-w0rd'

  async function whyNot(url: string): Promise<string> {
    const error = await rejectionOf(open(url))
    if (!(error instanceof Error)) throw new Error(`${url} opens`)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret)
    return error.message
  }

  const at = (port: number | string, more = '') => `postgres://kim:${secret}@127.0.0.1:${port}/things${more}`

  test('because nobody listens, names host and port', async () => {
    const port = await listen(createServer())
    doors.pop()?.close()
    expect(await whyNot(at(port))).toMatch(
      new RegExp(
        `The database at 127.0.0.1:${port} refuses connections \\(ECONNREFUSED\\)\\. Start that server, correct DATABASE_URL`,
      ),
    )
  })

  test('because the host has no address, says so', async () => {
    expect(await whyNot(`postgres://kim:${secret}@no-such-host.invalid/things`)).toMatch(
      /The database at no-such-host\.invalid:5432 cannot be found: nobody knows the host/,
    )
  })

  test('because somebody else listens there, says that it hangs up', async () => {
    const port = await listen(createServer(socket => socket.once('data', () => socket.destroy())))
    expect(await whyNot(at(port))).toMatch(`The database at 127.0.0.1:${port} hangs up before it answers.`)
  })

  test('because the password is wrong, missing, or the user unknown, names the user', async () => {
    const { url, drop } = await newDatabase(server.url)
    const { host, pathname } = new URL(url)
    for (const user of ['assay', 'kim'])
      expect(await whyNot(`postgres://${user}:${secret}@${host}${pathname}`)).toBe(
        `The database at ${host} does not let user "${user}" in (28P01). Correct user and password in DATABASE_URL.`,
      )
    expect(await whyNot(`postgres://kim@${host}${pathname}`)).toMatch(
      'asks user "kim" for a password. DATABASE_URL has none',
    )
    await drop()
  })

  test('because it does not exist, names it', async () => {
    const { url, drop } = await newDatabase(server.url)
    await drop()
    const { host, pathname } = new URL(url)
    const name = pathname.slice(1)
    expect(await whyNot(url)).toBe(
      `The database at ${host} has no database "${name}" (3D000). Create it (createdb ${name}), or correct DATABASE_URL.`,
    )
  })

  test('because the address is none, does not repeat it', async () => {
    for (const url of [
      `kim:${secret}@somewhere`,
      `http://kim:${secret}@h/d`,
      `postgres://kim:${secret}@[/d`,
      `postgres://kim:%${secret}@h:x/d`,
    ])
      expect(await whyNot(url)).toMatch(/^DATABASE_URL is not the address of a database\. Wanted: postgres:/)
  })

  test('because TLS is asked for and not spoken, says which of the two to change', async () => {
    const { url, drop } = await newDatabase(server.url)
    const asking = new URL(url)
    asking.searchParams.set('sslmode', 'verify-full')
    expect(await whyNot(asking.href)).toMatch(/does not speak TLS, which DATABASE_URL asks for/)
    await drop()
  })

  test('because the server is older than version 14, names both versions', async () => {
    const { url, drop } = await newDatabase(server.url)
    const { port } = new URL(url)
    const older = new URL(url)
    older.port = String(await listen(answeringAsVersion13(Number(port))))
    expect(await whyNot(older.href)).toMatch(
      `The database at 127.0.0.1:${older.port} is PostgreSQL 13.4; this needs version 14 or newer.`,
    )
    await drop()
  })

  /** A real server, whose answer to the question for its version is changed on the way. */
  function answeringAsVersion13(port: number): Server {
    const older = (chunk: Buffer) => {
      if (!chunk.includes('encoding\0')) return chunk
      const text = chunk.toString('latin1')
      return Buffer.from(text.replace(/18\d{4}/, '130004').replace(/18\.\d/, '13.4'), 'latin1')
    }
    return createServer(socket => {
      const server = connect(port, '127.0.0.1')
      socket.pipe(server)
      server.on('data', chunk => socket.write(older(chunk)))
      for (const end of [socket, server]) end.on('error', () => end.destroy())
      socket.on('close', () => server.destroy())
      server.on('close', () => socket.destroy())
    })
  }
})

describe('the loss of a connection', () => {
  const coded = (code: string) => Object.assign(new Error('told by a code'), { code })

  test.each([
    '57P01',
    '57P02',
    '57P03',
    '08006',
    '08001',
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
  ])('shows in code %s', code => expect(isConnectionLoss(coded(code))).toBe(true))

  test.each(['23505', '40001', '42P01', '57014', '53100', '25P03', '28P01', '3D000'])(
    'does not show in code %s',
    code => expect(isConnectionLoss(coded(code))).toBe(false),
  )

  test('shows through the errors that were built around it', () => {
    expect(isConnectionLoss(new Error('outer', { cause: coded('ECONNREFUSED') }))).toBe(true)
    expect(isConnectionLoss(new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]))).toBe(true)
    expect(isConnectionLoss(new AggregateError([coded('ECONNREFUSED'), coded('42P01')]))).toBe(false)
  })

  test('is not seen in what merely sounds like it', () => {
    const raised = Object.assign(new Error('Connection terminated'), { code: 'P0001' })
    for (const other of [raised, new Error('no'), 'Connection terminated', null, undefined])
      expect(isConnectionLoss(other)).toBe(false)
  })
})
