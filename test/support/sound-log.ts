import { randomBytes } from 'node:crypto'
import path from 'node:path'
import pg from 'pg'
import { openExport } from '../../src/adapters/exporting/export-database.ts'
import { openReadObject } from '../../src/adapters/exporting/read-object.ts'
import type { ExportSource } from '../../src/contract/audit/sequence.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { startChild } from '../node/child-node.ts'
import { type AgentName, agentNames } from './agents-bed/operators.ts'
import { isAtRest } from './agents-bed/progress.ts'
import { agentsBed, bedSource } from './agents-bed.ts'
import { until } from './until.ts'

/** What a node and its agents have made and left: nobody works on the database any more, so that it can be copied. */
export type SoundLog = {
  readonly pool: pg.Pool
  /** One after the other, packet by packet. */
  readonly packets: number
  readonly events: number
  /** As the operator exports it. */
  readonly source: ExportSource
  /** A command of ours on this machine. */
  run(args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }>
  /** A copy, changed by hand as only somebody who owns the server can change it. */
  copy(...statements: readonly string[]): Promise<Copy>
  /** The node again, at an address. */
  restartNode(): Promise<string>
  end(): Promise<void>
}

export type Copy = { readonly pool: pg.Pool; readonly source: ExportSource }

/** Enough for a stream at basic. */
const asked: readonly AgentName[] = ['north/normalize', 'north/validate', 'north/certify']
/** Each in a packet of its own, as one is certified before the next is sent. */
const PACKETS = 3
const PER_PACKET = Number(process.env['ASSAY_PACKET_EVENTS'] ?? 10)

export async function soundLog(): Promise<SoundLog> {
  const bed = await agentsBed({ absent: agentNames.filter(name => !asked.includes(name)) })
  for (let packet = 0; packet < PACKETS; packet++) {
    const events = Array.from({ length: PER_PACKET }, (_, i) => ({
      eventType: 'reading',
      externalId: `reading-${packet * PER_PACKET + i}`,
      data: { celsius: 20 + (i % 7) },
    }))
    // One comes twice, so that there is more to count than events.
    await bed.publish(bedSource, [...events, ...events.slice(0, 1)], { level: 'basic' })
    await until(async () => (await bed.progress()).proven === (packet + 1) * PER_PACKET).catch(
      async error => {
        throw new Error(await bed.describe(), { cause: error })
      },
    )
  }
  await until(() => isAtRest(bed.pool))
  await bed.node().kill()
  for (const agent of bed.agents.values()) await agent.child().kill()

  const data = path.join(bed.folder, 'node')
  const { pathname, href } = new URL(bed.databaseUrl)
  const name = pathname.slice(1)
  const onServer = async (...statements: readonly string[]) => {
    const client = new pg.Client(href.replace(pathname, '/postgres'))
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  const sourceOf = (pool: pg.Pool) =>
    openExport({ pool, readObject: openReadObject(pool, path.join(data, 'uhrp'), Date.now) }, 'operator')
  const copies: { readonly name: string; readonly pool: pg.Pool }[] = []
  return {
    pool: bed.pool,
    packets: PACKETS,
    events: PACKETS * PER_PACKET,
    source: sourceOf(bed.pool),
    async run(args) {
      const settings = {
        DATABASE_URL: bed.databaseUrl,
        ASSAY_DATA_DIR: data,
        ASSAY_MASTER_KEY: '11'.repeat(32),
      }
      const child = startChild(args, settings)
      const { code } = await child.exited
      return { code, said: child.said() }
    },
    async copy(...statements) {
      const copy = `t_${randomBytes(8).toString('hex')}`
      // A template has nobody connected.
      await onServer(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
        `create database ${copy} template ${name}`,
      )
      const pool = openPool(href.replace(pathname, `/${copy}`))
      copies.push({ name: copy, pool })
      const client = await pool.connect()
      // Whoever owns the server is stopped by no trigger and no foreign key.
      await client.query('set session_replication_role = replica')
      for (const statement of statements) await client.query(statement)
      client.release(true)
      return { pool, source: sourceOf(pool) }
    },
    async restartNode() {
      await bed.restartNode()
      return bed.url
    },
    async end() {
      for (const { pool } of copies) await pool.end()
      await onServer(...copies.map(copy => `drop database if exists ${copy.name} with (force)`))
      await bed.stop()
    },
  }
}
