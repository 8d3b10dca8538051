import { Transaction } from '@bsv/sdk'
import pg from 'pg'
import * as z from 'zod'
import { columnTypes } from '../../src/adapters/postgres/column-types.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { auditChain } from '../adapters/chain/audit.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { findDisagreements } from '../support/check-overlay.ts'
import { headersOf } from '../support/stock-wallet.ts'
import type { Acknowledged, SubmitLoad } from './submit-load.ts'

export type Audit = {
  /** A sentence for each thing that is not as it must be. */
  readonly faults: string[]
  /** What the private chain has, in a block or waiting for one. */
  readonly mined: ReadonlySet<string>
  readonly pooled: ReadonlySet<string>
  /** Acknowledged once, and let go for a reason that is on record. */
  readonly gone: ReadonlySet<string>
}

/** Holds the tables against each other and against what clients were told. */
export async function auditNode(databaseUrl: string, load: SubmitLoad): Promise<Audit> {
  const told = [...load.acknowledged.values()]
  const faults: string[] = []
  const gone = new Set<string>()
  await asOfOneMoment(databaseUrl, async pool => {
    faults.push(...(await findDisagreements(pool)))
    const held = new Set(
      (await pool.query<{ place: string }>(`select ${place} as place from outputs`)).rows.map(
        row => row.place,
      ),
    )
    const evicted = new Map(
      (
        await pool.query<{ txid: string; reason: string }>(
          `select encode(txid, 'hex') as txid, reason from evicted`,
        )
      ).rows.map(({ txid, reason }) => [txid, reason]),
    )
    for (const { txid, steak, mayGo } of told) {
      const admitted = steak[baseTopics.ingest].outputsToAdmit
      if (admitted.length === 0) faults.push(`${txid} was acknowledged with nothing admitted`)
      const missing = admitted.filter(vout => !held.has(`${txid}.${vout} ${baseTopics.ingest}`))
      if (missing.length === 0) continue
      const reason = evicted.get(txid)
      if (mayGo && reason !== undefined && missing.length === admitted.length) gone.add(txid)
      else
        faults.push(
          `${txid} was acknowledged with outputs ${admitted}, and ${missing} are not held (${reason})`,
        )
    }
    const mayGo = new Set(told.filter(each => each.mayGo).map(({ txid }) => txid))
    for (const { txid } of told)
      if (evicted.has(txid) && !mayGo.has(txid)) faults.push(`${txid} was evicted: ${evicted.get(txid)}`)
  })
  const pool = openPool(databaseUrl)
  try {
    const chain = await auditChain(pool)
    return { ...chain, faults: [...faults, ...chain.faults], gone }
  } finally {
    await pool.end()
  }
}

const place = `encode(txid, 'hex') || '.' || vout || ' ' || topic`

/** A pool of one connection, whose every query sees the same moment. */
async function asOfOneMoment(databaseUrl: string, work: (pool: pg.Pool) => Promise<void>): Promise<void> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    idleTimeoutMillis: 0,
    types: columnTypes,
  })
  try {
    await pool.query('begin isolation level repeatable read read only')
    await work(pool)
    await pool.query('commit')
  } finally {
    await pool.end()
  }
}

/** Asks the index for each of these; a sentence for each that it does not find with its admitted outputs. */
export async function findUnindexed(nodeUrl: string, told: readonly Acknowledged[]): Promise<string[]> {
  const faults: string[] = []
  for (const { txid, steak } of told) {
    const found = await lookUp(nodeUrl, { txid })
    const vouts = found.map(({ outputIndex }) => outputIndex).sort((a, b) => a - b)
    if (vouts.join() !== steak[baseTopics.ingest].outputsToAdmit.join())
      faults.push(
        `the index finds outputs ${vouts} of ${txid}, not ${steak[baseTopics.ingest].outputsToAdmit}`,
      )
  }
  return faults
}

/** Reads the whole index page by page; every BEEF in it must satisfy the stock SDK. */
export async function verifyIndex(nodeUrl: string): Promise<{ faults: string[]; txids: Set<string> }> {
  const faults: string[] = []
  const txids = new Set<string>()
  const headers = headersOf(nodeUrl)
  const roots = new Map<string, Promise<boolean>>()
  const tracker = {
    currentHeight: headers.currentHeight,
    isValidRootForHeight(root: string, height: number) {
      const key = `${root} ${height}`
      const valid = roots.get(key) ?? headers.isValidRootForHeight(root, height)
      roots.set(key, valid)
      return valid
    },
  }
  for (let cursor: string | undefined; ; ) {
    const page = await lookUp(nodeUrl, { order: 'asc', limit: 100, ...(cursor !== undefined && { cursor }) })
    const last = page.at(-1)
    if (last === undefined) return { faults, txids }
    cursor = z.object({ cursor: z.string() }).parse(JSON.parse(Buffer.from(last.context).toString())).cursor
    for (const { beef } of page) {
      const transaction = Transaction.fromBEEF(beef)
      const txid = transaction.id('hex')
      txids.add(txid)
      if (!(await transaction.verify(tracker)))
        faults.push(`the stock SDK does not accept the BEEF of ${txid}`)
    }
  }
}

const outputList = z.object({
  outputs: z.array(
    z.object({ beef: z.array(z.number()), outputIndex: z.number(), context: z.array(z.number()) }),
  ),
})

export async function lookUp(nodeUrl: string, query: object) {
  const response = await fetch(`${nodeUrl}/lookup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ service: baseLookupServices.events, query }),
  })
  if (!response.ok) throw new Error(`the index answered ${response.status}: ${await response.text()}`)
  return outputList.parse(await response.json()).outputs
}
