import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sweepKeys } from '../../../src/adapters/log/idempotency.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { evict } from '../../../src/adapters/overlay/evict.ts'
import { reindex } from '../../../src/adapters/overlay/reindex.ts'
import {
  BATCHES_AT_ONCE,
  type TakeBatches,
  type TakeBatchesDeps,
  takeBatches,
} from '../../../src/adapters/overlay-ingest/take-batches.ts'
import { openHeldBatches } from '../../../src/adapters/quarantine/held-batches.ts'
import { readSteps } from '../../../src/adapters/quarantine/read-quarantine.ts'
import { waive } from '../../../src/adapters/quarantine/waive.ts'
import { type ContentStore, openContentStore } from '../../../src/adapters/uhrp/content-store.ts'
import { nodeHolder } from '../../../src/adapters/uhrp/holder.ts'
import { eventBatchToken } from '../../../src/contract/event-batch.ts'
import { baseLookupServices } from '../../../src/contract/names.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../../src/contract/spend.ts'
import { tokenScript } from '../../../src/contract/tokens.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { uhrpUrlOf } from '../../../src/contract/uhrp-url.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { Source } from '../../../src/core/registry/source.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { type TakeBatchDeps, type TakenBatch, takeBatch } from '../../../src/ingest/take-batch.ts'
import { hostedTopics } from '../../../src/node/hosted-topics.ts'
import { auditLog } from '../../support/audit-log.ts'
import { type LogBed, openLogBed, sampleSource } from '../../support/log-bed.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { smallServer } from '../../support/small-server.ts'
import { until } from '../../support/until.ts'

const publisher = party('a publisher of batches')
const stranger = party('a stranger with batches')

let log: LogBed
let bed: OverlayBed
let running: TakeBatches[]
let sources: Map<string, Source>
let settled: TakenBatch[]
let folder: string
let store: ContentStore
beforeEach(async () => {
  log = await openLogBed()
  folder = await mkdtemp(path.join(tmpdir(), 'assay-batches-'))
  store = await openContentStore({
    pool: log.database.pool,
    directory: folder,
    bounds: { objectBytesMax: 1_000_000, freeBytesMin: 0 },
    now: Date.now,
    onTrouble: () => undefined,
  })
  bed = await overlayBed({}, log.database)
  running = []
  settled = []
  const roof: Source = {
    ...sampleSource,
    sourceId: 'roof',
    type: 'overlay',
    identityKey: publisher.identityKey,
    shape: 'overlay',
  }
  sources = new Map([[roof.sourceId, roof]])
})
afterEach(async () => {
  for (const each of running) await each.stop()
  await bed.close()
  await log.end()
  await rm(folder, { recursive: true })
})

/** How a node takes one, with this much different. Who waits for a rate turns the clock on. */
function taking(changes: Partial<TakeBatchDeps> = {}): TakeBatchesDeps['take'] {
  const deps: TakeBatchDeps = {
    source: async sourceId => sources.get(sourceId),
    stream: async streamId => log.streams.get(streamId),
    accept: log.accept,
    append: log.log.append,
    held: openHeldBatches(log.database.pool, () => log.clock.ms),
    strangers: {},
    now: () => log.clock.ms,
    ...changes,
  }
  const pause = async (milliseconds: number) => {
    log.clock.ms += milliseconds
    return true
  }
  return (batch, once) => takeBatch(batch, { ...once, pause }, deps)
}

/** A node that takes batches, with this much different. */
function start(changes: Partial<TakeBatchesDeps> = {}): TakeBatches {
  const node = takeBatches({
    pool: log.database.pool,
    outgoing: openOutgoing({ network: 'local' }),
    store,
    now: Date.now,
    take: taking(),
    isFull: () => false,
    onSettled: (_, outcome) => void settled.push(outcome),
    onFailure: () => undefined,
    everyMs: 10,
    ...changes,
  })
  running.push(node)
  return node
}

type As = 'inline' | 'off-chain' | { readonly url: string }

function batchOf(
  spends: readonly Spend[],
  ndjson: string,
  {
    as = 'inline',
    issuer = publisher,
    streamId = 'readings',
    sourceId = 'roof',
  }: Partial<{
    as: As
    issuer: typeof publisher
    streamId: string
    sourceId: string
  }> = {},
) {
  const token = orThrow(eventBatchToken({ issuer, streamId, sourceId, ndjson, as }))
  const transaction = signTransaction(spends, [
    { satoshis: 1, script: token.script },
    { satoshis: 900, script: p2pkhLock(issuer.publicKey) },
  ])
  return { ...token, transaction }
}

async function submit(transaction: Transaction, offChainValues?: Uint8Array): Promise<void> {
  const submission = bed.submissionOf(transaction)
  const steak = orThrow(
    await bed.overlay.submit({ ...submission, ...(offChainValues !== undefined && { offChainValues }) }),
  )
  expect(Object.values(steak)).toMatchObject([{ outputsToAdmit: [0] }])
}

type Row = {
  state: string
  standing: boolean
  trouble: string | null
  accepted: number | null
  attempts: number
  turn: number
  lines: number
}

async function rows(): Promise<Row[]> {
  const { rows } = await log.database.pool.query<Row>(
    'select state, standing, trouble, accepted, attempts, turn, lines_taken as lines from overlay_batches order by due_ms',
  )
  return rows
}

async function allSettled(count = 1): Promise<Row[]> {
  return until(async () => {
    const found = await rows()
    return found.length === count && found.every(({ state }) => state !== 'waiting') && found
  })
}

async function events(): Promise<Record<string, unknown>[]> {
  const { rows } = await log.database.pool.query<{ lines: Buffer }>(
    'select lines from segments where count > 0 order by partition_id, append_no',
  )
  return rows.flatMap(({ lines }) =>
    lines
      .toString()
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line)),
  )
}

function roof(): Source {
  const source = sources.get('roof')
  if (source === undefined) throw new Error('no source')
  return source
}

function coin(spend: Spend | undefined): Spend {
  if (spend === undefined) throw new Error('no coins')
  return spend
}

const reading = (n: number) => JSON.stringify({ eventType: 'reading', data: { n }, externalId: `r${n}` })
const readings = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${reading(from + i)}\n`).join('')

describe('a batch that the overlay has admitted', () => {
  test('becomes events that keep their publisher’s signature', async () => {
    const spends = await bed.fund(publisher, 1)
    const { transaction, subject } = batchOf(spends, readings(0, 3))
    await submit(transaction)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 3 }])
    const found = await events()
    expect(found.map(({ payload }) => payload)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
    expect(found[0]).toMatchObject({
      sourceId: 'roof',
      connectorId: 'overlay',
      originSignature: {
        scheme: 'gitdata event batch',
        txid: transaction.txid,
        vout: 0,
        issuer: publisher.identityKey,
        subject,
      },
    })
  })

  test('is taken from beside its transaction, in as many steps as it needs', async () => {
    const spends = await bed.fund(publisher, 1)
    const { transaction, offChainValues } = batchOf(spends, readings(0, 2500), { as: 'off-chain' })
    await submit(transaction, offChainValues)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2500 }])
    const { rows: keys } = await log.database.pool.query('select key from idempotency_keys')
    expect(keys.length).toBe(3)
  })

  test('is fetched from behind its URL, as soon as it is there', async () => {
    const ndjson = readings(0, 2)
    let asked = 0
    const server = await smallServer(() => ({ status: asked++ < 2 ? 503 : 200, body: ndjson }))
    const spends = await bed.fund(publisher, 1)
    await submit(batchOf(spends, ndjson, { as: { url: `${server.url}/batch` } }).transaction)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(asked).toBe(3)
    await server.stop()
  })

  test('is fetched from whoever advertises its content', async () => {
    const ndjson = readings(0, 2)
    const server = await smallServer(() => ({ status: 200, body: ndjson }))
    const spends = await bed.fund(publisher, 1)
    const hash = sha256Hex(utf8(ndjson))
    await log.database.pool.query(
      `insert into uhrp_adverts (txid, vout, hash, host_identity_key, url, origin, expires_s, size, admitted_ms)
        values (decode($1, 'hex'), 0, decode($2, 'hex'), decode($3, 'hex'), $4, $4, 9999999999, 10, 0)`,
      ['ab'.repeat(32), hash, publisher.identityKey, server.url],
    )
    await submit(batchOf(spends, ndjson, { as: { url: uhrpUrlOf(hash) } }).transaction)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    await server.stop()
  })

  test('is read from this node’s own store, where its publisher may read it there', async () => {
    const keep = async (ndjson: string, reader: typeof publisher) => {
      orThrow(
        await store.put(utf8(ndjson), {
          audience: 'restricted',
          readers: [reader.identityKey],
          holder: nodeHolder('test'),
          retainUntilMs: Date.now() + 3_600_000,
        }),
      )
      return uhrpUrlOf(sha256Hex(utf8(ndjson)))
    }
    const [first, second] = await bed.fund(publisher, 2)
    if (first === undefined || second === undefined) throw new Error('no coins')
    const own = readings(0, 2)
    await submit(batchOf([first], own, { as: { url: await keep(own, publisher) } }).transaction)
    start({ attemptsMax: 1 })
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    const others = readings(2, 4)
    await submit(batchOf([second], others, { as: { url: await keep(others, stranger) } }).transaction)
    expect(await allSettled(2)).toMatchObject([{ state: 'taken' }, { state: 'held' }])
  })

  test('is taken once, however often its publisher submits it', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    if (first === undefined || second === undefined) throw new Error('no coins')
    await submit(batchOf([first], readings(0, 2)).transaction)
    start()
    await allSettled()
    await submit(batchOf([second], readings(0, 2)).transaction)
    expect(await rows()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(await events()).toHaveLength(2)
  })

  test('is taken once, by nodes that work beside each other', async () => {
    const spends = await bed.fund(publisher, 12)
    for (const [i, spend] of spends.entries())
      await submit(batchOf([spend], readings(10 * i, 10 * i + 10)).transaction)
    start()
    start()
    expect(await allSettled(12)).toHaveLength(12)
    expect(await events()).toHaveLength(120)
    expect(settled).toHaveLength(12)
  })

  test('is taken once by a node that dies before it can say so', async () => {
    const spends = await bed.fund(publisher, 1)
    // Without an id or a time: nothing but the batch's key tells a repetition.
    const ndjson = '{"eventType":"reading","data":{"n":1}}\n{"eventType":"reading","data":{"n":1}}\n'
    await submit(batchOf(spends, ndjson).transaction)
    const dying = start()
    await allSettled()
    await dying.stop()
    expect(await events()).toHaveLength(2)
    // As if it had never been written that it is taken.
    await log.database.pool.query(
      `update overlay_batches set state = 'waiting', lines_taken = 0, accepted = null, due_ms = 0`,
    )
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(await events()).toHaveLength(2)
  })

  test('is still taken after its publisher took the satoshi back', async () => {
    const spends = await bed.fund(publisher, 1)
    const { transaction } = batchOf(spends, readings(0, 1))
    await submit(transaction)
    await log.database.pool.query(`update gitdata_events set spent_by = decode($1, 'hex')`, ['cd'.repeat(32)])
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 1 }])
  })

  test('gives others a turn between its lines', async () => {
    const spends = await bed.fund(publisher, 1)
    await submit(batchOf(spends, readings(0, 50)).transaction)
    let turns = 0
    start({ take: taking({ turns: () => async () => void turns++ }) })
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 50 }])
    expect(turns).toBe(50)
  })
})

describe('a batch of more events than a limit allows', () => {
  /** Without an id or a time: nothing but the batch's keys tells a repetition. */
  const unnamed = (count: number) =>
    Array.from({ length: count }, (_, n) => `{"eventType":"reading","data":{"n":${n}}}\n`).join('')
  const limit = (limits: Source['limits']) => sources.set('roof', { ...roof(), limits })
  const upTo = async (events: number) =>
    until(async () => {
      const [row] = await rows()
      return row?.accepted === events && row.trouble !== null && row
    })
  const tomorrow = async (days = 1) => {
    log.clock.ms += days * 86_400_000
    await log.database.pool.query('update overlay_batches set due_ms = 0')
  }
  const numbers = async () => (await events()).map(({ payload }) => payload)
  const numbered = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

  test('is taken in parts that pass', async () => {
    limit({ eventsPerSecond: 3 })
    await log.putStream({ streamId: 'readings', limits: { eventsPerSecond: 2 } })
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], unnamed(5)).transaction)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 5 }])
    expect(await numbers()).toEqual(numbered(5))
    const { rows: keys } = await log.database.pool.query('select key from idempotency_keys')
    expect(keys).toHaveLength(3)
  })

  test('is taken in parts that its bytes pass with', async () => {
    limit({ bytesPerDay: 100 })
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], unnamed(4)).transaction)
    start()
    await upTo(2)
    await tomorrow()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 4 }])
    expect(await numbers()).toEqual(numbered(4))
  })

  test('waits with the rest while its source has used up its share', async () => {
    limit({ eventsPerDay: 2 })
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], unnamed(5)).transaction)
    start()
    expect(await upTo(2)).toMatchObject({ state: 'waiting', attempts: 0, lines: 2 })
    expect(await numbers()).toEqual(numbered(2))
  })

  test('goes on where it was after so long that no key is remembered', async () => {
    limit({ eventsPerDay: 2 })
    const { pool } = log.database
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], unnamed(3)).transaction)
    start()
    await upTo(2)
    log.clock.ms += 10 * 86_400_000
    await sweepKeys(pool, log.clock.ms, 100)
    expect((await pool.query('select key from idempotency_keys')).rows).toEqual([])
    await tomorrow(0)
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 3 }])
    expect(await numbers()).toEqual(numbered(3))
  })

  test.each([
    ['raised', 5],
    ['lowered', 1],
  ])('is taken once by a node that dies before it says how far, though its limit is %s', async (_, then) => {
    limit({ eventsPerDay: 2 })
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], unnamed(4)).transaction)
    const dying = start()
    await upTo(2)
    await dying.stop()
    await log.database.pool.query('update overlay_batches set lines_taken = 0, accepted = null')
    limit({ eventsPerSecond: then })
    await tomorrow(0)
    start()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 4 }])
    expect(await numbers()).toEqual(numbered(4))
  })

  test('needs its bytes no more once all of it is in the log', async () => {
    const ndjson = unnamed(2)
    const server = await smallServer(() => ({ status: 200, body: ndjson }))
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], ndjson, { as: { url: server.url } }).transaction)
    const dying = start()
    await allSettled()
    await dying.stop()
    await server.stop()
    await log.database.pool.query(`update overlay_batches set state = 'waiting', due_ms = 0`)
    start({ attemptsMax: 1 })
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(await events()).toHaveLength(2)
  })
})

describe('a node that has no room', () => {
  test('begins no batch until it has', async () => {
    const [spend] = await bed.fund(publisher, 1)
    await submit(batchOf([coin(spend)], readings(0, 2)).transaction)
    let isFull = true
    let asked = 0
    start({
      isFull() {
        asked++
        return isFull
      },
    })
    // One of them asks each 10 ms; each has asked once at its start.
    await until(() => asked > 2 * BATCHES_AT_ONCE)
    expect(await rows()).toMatchObject([{ state: 'waiting', attempts: 0, turn: 0, trouble: null }])
    isFull = false
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
  })
})

describe('a batch that nobody may submit, or nobody can read', () => {
  const held = async () => {
    const { rows } = await log.database.pool.query(
      'select reason, source_id as "sourceId", authenticated, state from quarantine',
    )
    return rows
  }

  test('is held as one, where its issuer is not whom its source belongs to', async () => {
    const spends = await bed.fund(stranger, 1)
    await submit(batchOf(spends, readings(0, 5), { issuer: stranger }).transaction)
    start()
    expect(await allSettled()).toMatchObject([
      { state: 'held', trouble: expect.stringContaining('belongs to') },
    ])
    expect(await held()).toEqual([
      { reason: 'source-unverified', sourceId: 'roof', authenticated: 'none', state: 'held' },
    ])
    expect(await events()).toEqual([])
  })

  test('is held as one, where its lines are not as many as it says', async () => {
    const spends = await bed.fund(publisher, 1)
    const bytes = utf8(readings(0, 2))
    const script = tokenScript('GDE1', publisher, sha256Hex(bytes), {
      streamId: 'readings',
      sourceId: 'roof',
      count: 3,
      bytes,
    })
    await submit(signTransaction(spends, [{ satoshis: 1, script }]))
    start()
    expect(await allSettled()).toMatchObject([{ state: 'held', trouble: expect.stringContaining('2 lines') }])
    expect(await held()).toMatchObject([{ reason: 'batch-unreadable', authenticated: 'identity' }])
  })

  test('is held as one, where what is behind its URL stays something else', async () => {
    const server = await smallServer(() => ({ status: 200, body: 'something else' }))
    const spends = await bed.fund(publisher, 1)
    await submit(batchOf(spends, readings(0, 2), { as: { url: server.url } }).transaction)
    start({ attemptsMax: 2 })
    expect(await allSettled()).toMatchObject([
      { state: 'held', attempts: 2, trouble: expect.stringContaining('other bytes') },
    ])
    await server.stop()
  })

  test('is refused, where no such source is registered even after a while', async () => {
    const spends = await bed.fund(publisher, 1)
    await submit(batchOf(spends, readings(0, 2), { sourceId: 'cellar' }).transaction)
    start({ attemptsMax: 2 })
    expect(await allSettled()).toMatchObject([
      { state: 'refused', trouble: expect.stringContaining('register') },
    ])
    expect(await held()).toEqual([])
  })
})

describe('batches of strangers', () => {
  const meter: Source = {
    ...sampleSource,
    sourceId: 'meter',
    authentication: 'hmac',
    limits: { eventsPerDay: 3 },
  }
  const scopes = async () => {
    const { rows } = await log.database.pool.query<{ scope: string; events: number }>(
      'select scope, max(events) as events from meters group by scope order by scope',
    )
    return rows
  }
  const submitOf = async (count: number) => {
    sources.set('meter', meter)
    for (const [i, spend] of (await bed.fund(stranger, count)).entries())
      await submit(batchOf([spend], readings(i, i + 1), { issuer: stranger, sourceId: 'meter' }).transaction)
  }

  test('take nothing of the shares of the source that they name, nor of its stream', async () => {
    await log.putStream({ streamId: 'readings', limits: { eventsPerDay: 3 } })
    await submitOf(3)
    start()
    expect(await allSettled(3)).toMatchObject([{ state: 'held' }, { state: 'held' }, { state: 'held' }])
    expect(await scopes()).toEqual([])
    const own = await log.send(
      [1, 2, 3].map(data => ({ eventType: 'reading', data })),
      {
        source: meter,
        authenticated: 'hmac',
      },
    )
    expect(own.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted'])
  })

  test('have shares of their own, all of them together, and are refused where these stay used up', async () => {
    await submitOf(3)
    start({ attemptsMax: 2, take: taking({ strangers: { eventsPerDay: 2 } }) })
    const states = (await allSettled(3)).map(({ state }) => state).sort()
    expect(states).toEqual(['held', 'held', 'refused'])
    expect(await scopes()).toEqual([{ scope: 'overlay strangers', events: 2 }])
    expect((await rows()).find(({ state }) => state === 'refused')).toMatchObject({
      attempts: 2,
      trouble: expect.stringContaining('2 events per day'),
    })
  })
})

describe('a batch that is submitted again', () => {
  const quarantine = async () => {
    const { rows } = await log.database.pool.query<{ id: string; reason: string; state: string }>(
      'select id::text, reason, state from quarantine order by id',
    )
    return rows
  }
  const totals = async () => {
    const { faults, totals } = await auditLog(log.url)
    expect(faults).toEqual([])
    return totals
  }
  const down = async () => {
    const server = await smallServer(() => ({ status: 503, body: '' }))
    return { url: server.url, stop: server.stop }
  }

  test('is taken though it was held, and what was held of it is waived', async () => {
    const server = await down()
    const [first, second] = await bed.fund(publisher, 2)
    const ndjson = readings(0, 2)
    await submit(batchOf([coin(first)], ndjson, { as: { url: server.url } }).transaction)
    start({ attemptsMax: 1 })
    expect(await allSettled()).toMatchObject([{ state: 'held' }])
    expect(await totals()).toMatchObject({ received: 1, quarantined: 1 })
    await submit(batchOf([coin(second)], ndjson).transaction)
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2, attempts: 1 }])
    expect(await events()).toHaveLength(2)

    const [item] = await quarantine()
    expect(item).toMatchObject({ reason: 'batch-unreadable', state: 'waived' })
    const steps = await readSteps(log.database.pool, Number(item?.id))
    expect(steps).toMatchObject([
      { action: 'held', who: 'ingest' },
      { action: 'waived', who: publisher.identityKey, byPublisher: true },
    ])
    expect(await totals()).toMatchObject({ received: 3, accepted: 2, quarantined: 0, waived: 1 })
    await server.stop()
  })

  test('is taken once its source is registered, though it was refused', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    const submitOn = (spend: Spend | undefined) =>
      submit(batchOf([coin(spend)], readings(0, 2), { sourceId: 'cellar' }).transaction)
    await submitOn(first)
    start({ attemptsMax: 1 })
    expect(await allSettled()).toMatchObject([{ state: 'refused', attempts: 1 }])
    sources.set('cellar', { ...roof(), sourceId: 'cellar' })
    await submitOn(second)
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(await events()).toHaveLength(2)
  })

  test('is held once, however often that is in vain', async () => {
    const server = await down()
    const spends = await bed.fund(publisher, 3)
    start({ attemptsMax: 1 })
    for (const [i, spend] of spends.entries()) {
      await submit(batchOf([spend], readings(0, 2), { as: { url: server.url } }).transaction)
      await until(() => settled.length === i + 1)
    }
    expect(await rows()).toMatchObject([{ state: 'held', attempts: 1 }])
    expect(await quarantine()).toMatchObject([{ reason: 'batch-unreadable', state: 'held' }])
    expect(await totals()).toMatchObject({ received: 1, quarantined: 1 })
    await server.stop()
  })

  test('is held anew where somebody has given up what was held', async () => {
    const server = await down()
    const [first, second] = await bed.fund(publisher, 2)
    const submitOn = (spend: Spend | undefined) =>
      submit(batchOf([coin(spend)], readings(0, 2), { as: { url: server.url } }).transaction)
    await submitOn(first)
    start({ attemptsMax: 1 })
    await allSettled()
    const [item] = await quarantine()
    await waive(log.database.pool, { id: Number(item?.id), who: 'admin', why: 'done', nowMs: log.clock.ms })
    await submitOn(second)
    await until(() => settled.length === 2)
    expect(await quarantine()).toMatchObject([{ state: 'waived' }, { state: 'held' }])
    await server.stop()
  })

  test('has another try also where that was while the last one was under way', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    let isAsked = () => {}
    const asked = new Promise<void>(resolve => {
      isAsked = resolve
    })
    let answer = () => {}
    const answered = new Promise<void>(resolve => {
      answer = resolve
    })
    const ndjson = readings(0, 2)
    const take = taking()
    start({
      attemptsMax: 1,
      async take(batch, once) {
        if (batch.token.body.url === undefined) return take(batch, once)
        isAsked()
        await answered
        return take(batch, { ...once, bytesOf: async () => ({ kind: 'unreadable', detail: 'not there' }) })
      },
    })
    await submit(batchOf([coin(first)], ndjson, { as: { url: 'http://127.0.0.1:2' } }).transaction)
    await asked
    await submit(batchOf([coin(second)], ndjson).transaction)
    answer()
    expect(await allSettled()).toMatchObject([{ state: 'taken', accepted: 2 }])
    expect(settled).toMatchObject([{ kind: 'held' }, { kind: 'taken' }])
  })
})

describe('a batch whose transaction is taken out again', () => {
  async function evictBatch(txid: string): Promise<void> {
    await evict(txid, 'double spent', {
      pool: log.database.pool,
      services: hostedTopics(log.database).services,
      topics: [],
      targets: { of: () => [] },
      now: Date.now,
    })
  }

  test('is not taken any more', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    if (first === undefined || second === undefined) throw new Error('no coins')
    const { transaction } = batchOf([first], readings(0, 1))
    await submit(transaction)
    await evictBatch(transaction.txid)
    expect(await rows()).toMatchObject([{ state: 'waiting', standing: false }])
    start()
    await submit(batchOf([second], readings(1, 2)).transaction)
    await until(() => settled.length > 0)
    expect((await events()).map(({ payload }) => payload)).toEqual([{ n: 1 }])
  })

  test('leaves its events where they are, and is marked', async () => {
    const spends = await bed.fund(publisher, 1)
    const { transaction } = batchOf(spends, readings(0, 1))
    await submit(transaction)
    start()
    await allSettled()
    await evictBatch(transaction.txid)
    expect(await rows()).toMatchObject([{ state: 'taken', standing: false }])
    expect(await events()).toHaveLength(1)
  })

  test('stands again with another transaction that holds it, and is not taken twice', async () => {
    const [first, second] = await bed.fund(publisher, 2)
    if (first === undefined || second === undefined) throw new Error('no coins')
    const { transaction } = batchOf([first], readings(0, 1))
    await submit(transaction)
    start()
    await allSettled()
    await evictBatch(transaction.txid)
    await submit(batchOf([second], readings(0, 1)).transaction)
    expect(await rows()).toMatchObject([{ state: 'taken', standing: true, accepted: 1 }])
    expect(await events()).toHaveLength(1)
  })
})

describe('an index that is filled again', () => {
  test('makes no batch come twice', async () => {
    const spends = await bed.fund(publisher, 1)
    await submit(batchOf(spends, readings(0, 2)).transaction)
    start()
    await allSettled()
    const service = hostedTopics(log.database).services[baseLookupServices.events]
    if (service === undefined) throw new Error('the index has no service')
    await reindex(service, log.database.pool)
    expect(await rows()).toMatchObject([{ state: 'taken', standing: true }])
    expect(await events()).toHaveLength(2)
  })

  test('lets rest what was held', async () => {
    const [spend] = await bed.fund(stranger, 1)
    await submit(batchOf([coin(spend)], readings(0, 2), { issuer: stranger }).transaction)
    const node = start()
    await allSettled()
    await node.stop()
    const service = hostedTopics(log.database).services[baseLookupServices.events]
    if (service === undefined) throw new Error('the index has no service')
    await reindex(service, log.database.pool)
    expect(await rows()).toMatchObject([{ state: 'held', standing: true, turn: 1 }])
  })
})
