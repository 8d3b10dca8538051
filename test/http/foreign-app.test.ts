import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { HTTPSOverlayBroadcastFacilitator, HTTPSOverlayLookupFacilitator, Transaction } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { type Program, runProgram } from '../adapters/postgres/program.ts'
import { auditLog, countUnsealed } from '../support/audit-log.ts'
import { emptyDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'
import { party } from '../support/pipeline.ts'
import { faucetMoney, stockBatch } from '../support/stock-wallet.ts'
import { until } from '../support/until.ts'

const topics = [baseTopics.ingest]
const admitted = { [baseTopics.ingest]: { outputsToAdmit: [0], coinsToRetain: [], coinsRemoved: [] } }

describe('an express app of somebody else with our routes in it', () => {
  let database: TemporaryDatabase
  let program: Program
  let url: string
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'assay-foreign-'))
    database = await emptyDatabase()
    program = runProgram(new URL('foreign-host-process.ts', import.meta.url), [], [], {
      DATABASE_URL: database.url,
      ASSAY_MASTER_KEY: '11'.repeat(32),
      ASSAY_DATA_DIR: folder,
    })
    const { port } = z.object({ port: z.number() }).parse(await program.next())
    url = `http://127.0.0.1:${port}`
  }, 60_000)
  afterAll(async () => {
    program.process.kill()
    await program.ended
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })

  const places = ['/before/any/parser', '/behind/raw', '/their/overlay']

  test.each(places)('takes and finds what stock clients send to %s', async place => {
    const owner = party(`a client of ${place}`)
    const batch = await stockBatch(owner, await faucetMoney(url, owner), '{"celsius":21}\n')
    const broadcast = new HTTPSOverlayBroadcastFacilitator(fetch, true)
    expect(await broadcast.send(url + place, { beef: batch.toBEEF(), topics })).toEqual(admitted)

    const question = { service: baseLookupServices.events, query: { publisher: owner.identityKey } }
    const { outputs } = await new HTTPSOverlayLookupFacilitator(fetch, true).lookup(url + place, question)
    expect(outputs.map(({ beef }) => Transaction.fromBEEF(beef).id('hex'))).toEqual([batch.id('hex')])
    const inJson = await post(`${place}/lookup`, JSON.stringify(question))
    expect(inJson.body).toMatchObject({ type: 'output-list', outputs: [{ outputIndex: 0 }] })
  })

  test.each(places)('answers mistakes at %s in our words', async place => {
    const unknown = JSON.stringify({ service: 'ls_other', query: {} })
    expect(await post(`${place}/lookup`, unknown)).toMatchObject({
      status: 400,
      body: { code: 'ERR_LOOKUP_SERVICE_NOT_FOUND' },
    })
    expect(await post(`${place}/lookup`, '{"service":', 'text/plain')).toMatchObject({
      status: 400,
      body: { code: 'ERR_REQUEST_INVALID' },
    })
    const headers = { 'X-Topics': JSON.stringify(topics) }
    expect(await post(`${place}/submit`, 'no BEEF', 'application/octet-stream', headers)).toMatchObject({
      status: 400,
      body: { code: 'ERR_OVERLAY_ADMISSION_INVALID_BEEF' },
    })
  })

  test.each(['/before/any/parser', '/their/events'])(
    'takes events at %s, and makes packets of them',
    async place => {
      const events = [{ ts: 1, val: 42, sensor: place }]
      const posted = await post(`${place}/ingest/events`, JSON.stringify({ sourceId: 'src_demo', events }))
      expect(posted).toMatchObject({ status: 200, body: { status: 'ok', count: 1 } })
      const { inserted } = z.object({ inserted: z.tuple([z.string()]) }).parse(posted.body)
      expect(await ask(`${place}/ingest/events/${inserted[0]}`)).toMatchObject({
        status: 200,
        body: { eventId: inserted[0], sourceId: 'src_demo' },
      })
      await until(async () => (await countUnsealed(database.url)) === 0)
      expect((await auditLog(database.url)).faults).toEqual([])
    },
  )

  test('keeps its own routes, parsers and errors', async () => {
    const seen = await Promise.all([
      ask('/their/page'),
      ask('/their/failure'),
      ask('/their/overlay/nothing'),
      ask('/their/overlay/submit'),
      post('/their/overlay/echo', '{"said":1}'),
      post('/their/overlay/lookup', '{"service":'),
    ])
    expect(seen).toEqual([
      { status: 200, body: 'theirs' },
      { status: 500, body: { theirs: 'a failure of theirs' } },
      { status: 404, body: { theirs: 'nothing here' } },
      { status: 404, body: { theirs: 'nothing here' } },
      { status: 200, body: { theirs: { said: 1 } } },
      { status: 400, body: { theirs: expect.stringContaining('JSON') } },
    ])
  })

  function post(path: string, body: string, type = 'application/json', headers: Record<string, string> = {}) {
    return ask(path, { method: 'POST', headers: { 'Content-Type': type, ...headers }, body })
  }

  async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    const response = await fetch(url + path, init)
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text }
  }
})
