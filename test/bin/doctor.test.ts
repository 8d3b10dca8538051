import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { migrations } from '../../migrations/index.ts'
import { openKey } from '../../src/adapters/keys/keyring.ts'
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import { checkRunning } from '../../src/node/check-running.ts'
import { checkUp } from '../../src/node/check-up.ts'
import type { Finding } from '../../src/node/finding.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { startChild } from '../node/child-node.ts'
import { emptyDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { silentLog } from '../support/silent-log.ts'
import { smallServer } from '../support/small-server.ts'
import { writeLog } from '../support/written-log.ts'

/** A process takes its time to start on a busy machine. */
const STARTS_MS_MAX = 120_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'assay-doctor-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('assay doctor, beside a running node', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode()
  }, 60_000)
  afterAll(() => node.end())

  async function run(...args: string[]) {
    const child = startChild(['doctor', ...args], {
      DATABASE_URL: node.databaseUrl,
      ASSAY_MASTER_KEY: '11'.repeat(32),
      ASSAY_DATA_DIR: folder,
      PORT: new URL(node.url).port,
      // No agents run beside this node.
      EVENT_PROCESSING_AGENTS_ENABLED: 'false',
    })
    const { code } = await child.exited
    return { code, said: child.said() }
  }

  test('finds all well, and then the one thing that is not', { timeout: STARTS_MS_MAX }, async () => {
    const { code, said } = await run('--deep')
    expect([code, said]).toEqual([0, expect.stringMatching(/^ok {4}log: 0 events .* add up$/m)])
    expect(said).toMatch(/^ok {4}node: database/m)
    expect(said).toMatch(/^ok {4}master key: opens the \d keys/m)

    const database = await openDatabase({ url: node.databaseUrl, log: silentLog, applicationName: 'test' })
    await writeLog(database.pool, [{ accepted: 2 }, { accepted: 1 }])
    await database.pool.query('update partition_heads set next_seq = 4')
    await database.close()
    const ill = await run('--json')
    expect(ill.code).toBe(1)
    const findings = z
      .array(z.looseObject({ name: z.string(), state: z.string() }))
      .parse(JSON.parse(ill.said))
    expect(findings.filter(({ state }) => state === 'wrong')).toEqual([
      {
        name: 'log',
        state: 'wrong',
        seen: 'stream "sensors.temperature", partition 0: the head goes on at sequence 4, and the appends end at 3',
        move: expect.stringContaining('restore'),
      },
    ])
  })

  test('says how it is used where it does not understand', { timeout: STARTS_MS_MAX }, async () => {
    expect(await run('--deeper')).toEqual({ code: 2, said: expect.stringContaining('assay doctor [--deep]') })
  })
})

describe('a check-up of a running node', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode()
  }, 60_000)
  afterAll(() => node.end())

  async function found(env: Readonly<Record<string, string>>): Promise<Map<string, Finding>> {
    const settings = readSettings({ PORT: new URL(node.url).port, ...env })
    const findings = new Map<string, Finding>()
    for await (const finding of checkRunning(settings)) findings.set(finding.name, finding)
    return findings
  }

  test('counts the operators whose agents it can reach', async () => {
    expect((await found({})).get('agents')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('0 to normalize, 0 to validate, 0 to certify; new streams ask 3'),
      move: expect.stringContaining('assay agent'),
    })
    expect((await found({ EVENT_CONSENSUS_THRESHOLD: '1' })).get('agents')?.seen).toContain('ask 1 at each')
    expect((await found({ EVENT_PROCESSING_AGENTS_ENABLED: 'false' })).get('agents')).toMatchObject({
      state: 'not looked at',
    })
  })

  test('listens to live events through the public address', async () => {
    expect((await found({})).get('proxy')).toMatchObject({ state: 'not looked at' })
    expect((await found({ ASSAY_PUBLIC_URL: node.url })).get('proxy')).toMatchObject({ state: 'ok' })
  })

  test('finds a proxy that keeps live events back, and an address that leads elsewhere', async () => {
    const keeping = await smallServer(() => new Promise(() => undefined))
    expect((await found({ ASSAY_PUBLIC_URL: keeping.url })).get('proxy')).toMatchObject({
      state: 'wrong',
      move: expect.stringContaining('buffering off'),
    })
    await keeping.stop()
    expect((await found({ ASSAY_PUBLIC_URL: keeping.url })).get('proxy')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('does not answer'),
    })
    const other = await smallServer(() => ({ status: 404, body: '{}' }))
    expect((await found({ ASSAY_PUBLIC_URL: other.url })).get('proxy')?.seen).toContain('answers 404')
    await other.stop()
  })
})

describe('a check-up', () => {
  let temporary: TemporaryDatabase
  let database: Database
  beforeAll(async () => {
    temporary = await emptyDatabase()
    database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  })
  afterAll(async () => {
    await database.close()
    await temporary.drop()
  })

  async function findings(
    env: Readonly<Record<string, string>> = {},
    now = Date.now,
  ): Promise<Map<string, Finding>> {
    const settings = readSettings({ DATABASE_URL: temporary.url, ASSAY_DATA_DIR: folder, PORT: '2', ...env })
    const found = new Map<string, Finding>()
    for await (const finding of checkUp(settings, async () => database, { deep: false, now }))
      found.set(finding.name, finding)
    return found
  }

  test('names migrations that are not applied, and does not look at what needs them', async () => {
    const found = await findings()
    expect(found.get('migrations')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('001-overlay'),
      move: expect.stringContaining('assay migrate'),
    })
    expect(found.get('log')).toMatchObject({ state: 'not looked at' })
    await migrate(database, migrations)
    expect((await findings()).get('migrations')).toMatchObject({ state: 'ok' })
  })

  test('names migrations of a newer version', async () => {
    await database.pool.query(`insert into assay_migrations (name) values ('999-later')`)
    expect((await findings()).get('migrations')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('999-later'),
    })
    await database.pool.query(`delete from assay_migrations where name = '999-later'`)
  })

  test('compares the clocks', async () => {
    expect((await findings()).get('clock')).toMatchObject({ state: 'ok' })
    expect((await findings({}, () => Date.now() + 90_000)).get('clock')).toMatchObject({
      state: 'wrong',
      seen: expect.stringMatching(/database's clock is \d{5} ms behind/),
    })
    expect((await findings({}, () => Date.now() - 90_000)).get('clock')).toMatchObject({
      state: 'wrong',
      seen: expect.stringMatching(/ahead of/),
    })
  })

  test('asks for room on the disk, and for a folder that is one', async () => {
    const name = `disk of ${join(folder, 'uhrp')}`
    expect((await findings()).get(name)).toMatchObject({ state: 'ok' })
    expect((await findings({ INGEST_FREE_BYTES_MIN: '999999999999999' })).get(name)).toMatchObject({
      state: 'wrong',
      move: expect.stringContaining('Make room'),
    })
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect((await findings({ ASSAY_DATA_DIR: file })).get('data folder')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('is not a folder'),
    })
  })

  test('looks at the programs, and at the libraries that signatures are made by', async () => {
    const found = await findings()
    expect(found.get('installation')).toMatchObject({
      state: 'ok',
      seen: expect.stringContaining(process.versions.node),
    })
    expect(found.get('signatures')?.seen).toMatch(/libsecp256k1/)
  })

  test('says that something else listens where a node would', async () => {
    const other = await smallServer(() => ({ status: 200, body: 'no node' }))
    const found = await findings({ PORT: new URL(other.url).port })
    expect(found.get('port')).toMatchObject({
      state: 'wrong',
      move: expect.stringContaining('Another program'),
    })
    expect(found.get('node')).toMatchObject({ state: 'not looked at' })
    await other.stop()
  })

  test('misses the master key that the keys were sealed with, and never makes one', async () => {
    const master = '22'.repeat(32)
    const missing = join(folder, 'master.key')
    expect((await findings()).get('master key')).toMatchObject({
      state: 'ok',
      seen: `${missing} is made at the first start`,
    })
    await openKey('log', { pool: database.pool, masterKey: Buffer.from(master, 'hex'), now: Date.now })
    expect((await findings()).get('master key')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining(`${missing} is not there`),
      move: expect.stringContaining('backup'),
    })
    expect((await findings({ ASSAY_MASTER_KEY: '33'.repeat(32) })).get('master key')).toMatchObject({
      state: 'wrong',
      seen: expect.stringContaining('another master key'),
    })
    expect((await findings({ ASSAY_MASTER_KEY: master })).get('master key')).toMatchObject({ state: 'ok' })
  })

  test('goes on where the database cannot be reached', async () => {
    const settings = readSettings({ DATABASE_URL: temporary.url, ASSAY_DATA_DIR: folder, PORT: '2' })
    const refuse = async () => {
      throw new Error('The database at 10.0.0.7:5432 refuses connections')
    }
    const seen: string[] = []
    for await (const { name, state } of checkUp(settings, refuse, { deep: false, now: Date.now }))
      seen.push(`${name}: ${state}`)
    expect(seen).toContain('database: wrong')
    expect(seen).toContain('log: not looked at')
  })
})
