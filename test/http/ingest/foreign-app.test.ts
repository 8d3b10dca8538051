import express, { type Express } from 'express'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IngestDoor } from '../../../src/http/ingest/door.ts'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'
import { party } from '../../support/pipeline.ts'

const secret = Buffer.alloc(32, 7)

/** Somebody else's app, with our routes in three places of it. */
function theirApp({ routes }: IngestDoor): Express {
  const app = express()
  app.use('/before', routes)
  app.use('/raw', express.raw({ type: '*/*' }), routes)
  const keep = express.json({
    verify: (request, _, bytes) => void Object.assign(request, { rawBody: bytes }),
  })
  app.use('/kept', keep, routes)
  app.use('/parsed', express.json(), express.text({ type: 'application/x-ndjson' }), routes)
  // As parsers of express 4 leave a body of a type that they do not read.
  app.use('/emptied', (request, _, next) => {
    request.body = {}
    next()
  })
  app.use('/emptied', routes)
  app.get('/theirs', (_, response) => void response.send('theirs'))
  return app
}

let bed: IngestBed
beforeAll(async () => {
  bed = await openIngestBed({ foreign: theirApp })
  bed.putSource({ sourceId: 'open' })
  bed.putSource({ sourceId: 'hooked', authentication: 'hmac' })
  bed.putSecrets('hooked', [secret])
  bed.putSource({ sourceId: 'proven', authentication: 'brc104', identityKey: party('p').identityKey })
}, 60_000)
afterAll(() => bed.end())

let count = 0
const bodyOf = (sourceId: string) =>
  JSON.stringify({ sourceId, events: [{ timestamp: ++count, n: count }] }, null, 1)
const signed = (body: string) => {
  const [id, at] = [`msg_${++count}`, new Date()]
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret.toString('base64')).sign(id, at, body),
  }
}

describe('the routes in an app of somebody else', () => {
  test.each(['/before', '/raw', '/kept', '/parsed'])('take what is not signed at %s', async place => {
    for (const path of ['/ingest/events', '/overlay/events/ingest'])
      expect(await post(bed.url + place + path, bodyOf('open'))).toMatchObject({
        status: 200,
        body: { counts: { accepted: 1 } },
      })
    const lines = await post(`${bed.url + place}/ingest/events?sourceId=open`, `{"timestamp":${++count}}\n`, {
      'content-type': 'application/x-ndjson',
    })
    expect(lines.status).toBe(200)
  })

  test.each(['/before', '/raw', '/kept'])('take what is signed at %s', async place => {
    const body = bodyOf('hooked')
    expect((await post(`${bed.url + place}/ingest/events`, body, signed(body))).status).toBe(200)
  })

  test('read what a parser has left unread, whatever it has put in its place', async () => {
    const at = ++count
    const url = `${bed.url}/emptied/ingest/events?sourceId=`
    const rows = `timestamp,n\n${at},1\n${at},2\n`
    expect(await post(`${url}open`, rows, { 'content-type': 'text/csv' })).toMatchObject({
      status: 200,
      body: { count: 2 },
    })
    const body = bodyOf('hooked')
    expect((await post(`${url}hooked`, body, signed(body))).status).toBe(200)
  })

  test('say what is wrong where a parser has thrown the signed bytes away', async () => {
    const body = bodyOf('hooked')
    const answer = await post(`${bed.url}/parsed/ingest/events`, body, signed(body))
    expect(answer).toMatchObject({
      status: 500,
      body: { code: 'raw-body-missing', hint: expect.stringContaining('rawBody') },
    })
  })

  test('leave the rest of the app alone', async () => {
    expect(await (await fetch(`${bed.url}/theirs`)).text()).toBe('theirs')
    expect((await fetch(`${bed.url}/before/ingest/events`)).status).toBe(404)
  })
})
