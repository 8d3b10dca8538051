import { describe, expect, test } from 'vitest'
import type { Migration } from '../../../migrations/index.ts'
import { migrations } from '../../../migrations/index.ts'
import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import { migrate } from '../../../src/adapters/postgres/migrate.ts'
import { silentLog } from '../../support/silent-log.ts'
import { describeOnEveryServer } from './every-server.ts'
import { runProgram } from './program.ts'
import { colors, slowMigrations, things } from './sample-migrations.ts'

const open = (url: string, connectionsMax = 4) =>
  openDatabase({ url, log: silentLog, applicationName: 'assay test', connectionsMax })

async function tables({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query(
    "select tablename as name from pg_tables where schemaname = 'public' order by 1",
  )
  return rows.map(({ name }) => String(name)).filter(name => !name.startsWith('assay_migrations'))
}

async function recorded({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query('select name from assay_migrations order by id')
  return rows.map(({ name }) => String(name))
}

describeOnEveryServer('migrations', given => {
  test('are applied in order, and once', async () => {
    const database = given.closing(await open(await given.url()))
    expect(await migrate(database, [things])).toEqual(['001-things'])
    expect(await migrate(database, [things, colors])).toEqual(['002-colors'])
    expect(await migrate(database, [things, colors])).toEqual([])
    expect(await recorded(database)).toEqual(['001-things', '002-colors'])
    expect((await database.pool.query('select color from things')).rows).toEqual([{ color: 'blue' }])
  })

  test('can be none', async () => {
    const database = given.closing(await open(await given.url()))
    expect(await migrate(database, [])).toEqual([])
    expect(await tables(database)).toEqual([])
  })

  test('work in a pool of one connection', async () => {
    const database = given.closing(await open(await given.url(), 1))
    expect(await migrate(database, [things, colors])).toEqual(['001-things', '002-colors'])
  })

  test('are applied by one of many nodes that start at once on an empty database', async () => {
    const url = await given.url()
    const nodes = await Promise.all(Array.from({ length: 6 }, () => open(url, 2)))
    for (const node of nodes) given.closing(node)
    const applied = await Promise.all(nodes.map(node => migrate(node, [things, colors])))
    expect(applied.flat()).toEqual(['001-things', '002-colors'])
    expect((await nodes[0]?.pool.query('select color from things'))?.rows).toEqual([{ color: 'blue' }])
  })

  test('that fail leave nothing, and those before them stay', async () => {
    const database = given.closing(await open(await given.url()))
    const failing: Migration = {
      name: '002-failing',
      async up(knex) {
        await knex.raw('create table half (n int)')
        await knex.raw('insert into things (id, nothing_like_it) values (1, 2)')
      },
      down: async () => undefined,
    }
    await expect(migrate(database, [things, failing])).rejects.toThrow(/nothing_like_it.* does not exist/)
    expect(await tables(database)).toEqual(['things'])
    expect(await recorded(database)).toEqual(['001-things'])
    expect(await migrate(database, [things, colors])).toEqual(['002-colors'])
  })

  test('whose process was killed in the middle are begun again by the next, without waiting', async () => {
    const url = await given.url()
    const killed = runProgram(new URL('./migrate-program.ts', import.meta.url), [url])
    const { pid } = await killed.next()
    process.kill(Number(pid), 'SIGKILL')
    await killed.ended
    const database = given.closing(await open(url))
    expect(await migrate(database, [things, colors])).toEqual(['002-colors'])
    expect((await database.pool.query('select color from things')).rows).toEqual([{ color: 'blue' }])
  })

  test('do not wait for a mark that Knex left in its own table of locks', async () => {
    const database = given.closing(await open(await given.url()))
    await migrate(database, [things])
    await database.pool.query('update assay_migrations_lock set is_locked = 1')
    expect(await migrate(database, [things, colors])).toEqual(['002-colors'])
  })

  test('are not begun while another process is at it, and that is said after a bounded time', async () => {
    const url = await given.url()
    const busy = given.closing(await open(url))
    const waiting = given.closing(await open(url))
    let finish = () => {}
    const until = new Promise<void>(resolve => {
      finish = resolve
    })
    let migrating = Promise.resolve<string[]>([])
    await new Promise<void>(begun => {
      migrating = migrate(busy, slowMigrations(begun, until))
    })
    await expect(migrate(waiting, [things, colors], { waitMsMax: 50 })).rejects.toThrow(
      /Another process has been migrating this database for 0\.05 s/,
    )
    const patient = migrate(waiting, [things, colors])
    finish()
    expect(await migrating).toEqual(['001-things', '002-colors'])
    expect(await patient).toEqual([])
  })

  test('may take longer than a statement of a node at work', async () => {
    const url = await given.url()
    const hurried = given.closing(
      await openDatabase({ url, log: silentLog, applicationName: 'assay test', statementMsMax: 200 }),
    )
    const slow: Migration = {
      name: '001-slow',
      up: async knex => {
        await knex.raw('select pg_sleep(0.5)')
      },
      down: async () => undefined,
    }
    expect(await migrate(hurried, [slow])).toEqual(['001-slow'])
    await expect(hurried.pool.query('select pg_sleep(10)')).rejects.toMatchObject({ code: '57014' })
  })

  test('are refused by a version that does not know all that was applied', async () => {
    const database = given.closing(await open(await given.url()))
    await migrate(database, [things, colors])
    await expect(migrate(database, [things])).rejects.toThrow(
      /The database has migrations that this version does not know: 002-colors\. A newer version has used it; run that one/,
    )
    expect(await recorded(database)).toEqual(['001-things', '002-colors'])
  })

  test('of this version go all the way up, and down again', async () => {
    const database = given.closing(await open(await given.url()))
    expect(await migrate(database, migrations)).toEqual(migrations.map(({ name }) => name))
    for (const { down } of [...migrations].reverse()) await down(database.knex)
    expect(await tables(database)).toEqual([])
  })
})

describe('a list of migrations', () => {
  test.each([
    [[colors, things], /"001-things" comes after 002; numbers must rise/],
    [[things, { ...colors, name: '001-colors' }], /"001-colors" comes after 001/],
    [[{ ...things, name: 'things' }], /"things" is not called like 001-overlay/],
  ])('is refused where its names are out of order', async (list, message) => {
    // Refused before anything is asked of a database.
    const database = { session: () => Promise.reject(new Error('not reached')) }
    await expect(migrate(database as unknown as Database, list)).rejects.toThrow(message)
  })
})
