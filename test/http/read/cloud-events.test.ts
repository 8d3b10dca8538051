import { CloudEvent, HTTP } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { parseJson } from '../../../src/core/canonical-json.ts'
import { envelopeInCloudEvent } from '../../../src/core/event/adapters/cloud-event.ts'
import { fromBinaryMode } from '../../../src/core/event/adapters/cloud-event-http.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { RoundOptions } from '../../support/certified-round.ts'
import { sampleEvent } from '../../support/certified-round.ts'
import { type TracedRound, tracedRound } from '../../support/traced-round.ts'
import type { HttpAnswer } from '../raw-http.ts'
import { type DetailApp, detailApp } from './detail-app.ts'

let round: TracedRound
let app: DetailApp
const plain = sampleEvent(0)
const awkward = {
  ...sampleEvent(1, 'Euro € "quoted" 50%'),
  type: 'reading: 50 % "above" €',
  sourceUri: 'https://sensors.example/a b',
}
const long = { ...sampleEvent(2), originSignature: { text: '€'.repeat(2000) } }
const markup = '<script>fetch("/events/")</script>'
const page = {
  ...sampleEvent(3),
  payload: markup,
  cloudEvent: { datacontenttype: 'text/html; charset=utf-8' },
}
beforeAll(async () => {
  const events: RoundOptions['events'] = [[plain, awkward, long, page]]
  round = await tracedRound({ events })
  app = await detailApp(round)
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  expect(app.failures).toEqual([])
})

const structured = { accept: 'application/cloudevents+json' }
const ask = (eventId: string, headers: Readonly<Record<string, string>> = {}, query = '') =>
  app.get(`/events/${eventId}${query}`, undefined, headers)

/** As the stock SDK reads what came over HTTP. */
function readByStock({ headers, body }: HttpAnswer): CloudEvent<Json> {
  const event = HTTP.toEvent<Json>({ headers, body: body.toString() })
  if (Array.isArray(event)) throw new Error('it is one event')
  return new CloudEvent<Json>(event)
}

describe('an event as a CloudEvent', () => {
  test.each([
    ['structured', plain],
    ['structured', awkward],
    ['structured', long],
    ['binary', plain],
  ] as const)('is read by the stock SDK, in %s mode', async (mode, sent) => {
    const answer =
      mode === 'structured'
        ? await ask(sent.eventId, structured)
        : await ask(sent.eventId, {}, '?mode=binary')
    expect(answer.status).toBe(200)
    const event = readByStock(answer)
    expect(event.validate()).toBe(true)
    expect(event).toMatchObject({
      specversion: '1.0',
      id: sent.eventId,
      source: sent.sourceId,
      type: sent.type,
      time: new Date(sent.eventTimeMs).toISOString(),
      data: sent.payload,
    })
  })

  test('holds the whole envelope, in both modes', async () => {
    for (const sent of [plain, awkward]) {
      const json = orThrow(parseJson((await ask(sent.eventId, structured)).body))
      expect(orThrow(envelopeInCloudEvent(json))).toEqual(sent)
      const { headers, body } = await ask(sent.eventId, {}, '?mode=binary')
      expect(orThrow(envelopeInCloudEvent(orThrow(fromBinaryMode({ headers, body }))))).toEqual(sent)
    }
  })

  test('is given to who prefers it, and plain JSON to everybody else', async () => {
    const types = async (accept?: string) => {
      const { headers } = await ask(plain.eventId, accept === undefined ? {} : { accept })
      return [String(headers['content-type']).split(';')[0], headers['vary']]
    }
    for (const accept of [
      'application/cloudevents+json',
      'application/cloudevents+json, application/json;q=0.5',
    ])
      expect(await types(accept)).toEqual(['application/cloudevents+json', 'Accept'])
    for (const accept of [
      undefined,
      '*/*',
      'application/json',
      'text/html',
      'application/json, application/cloudevents+json;q=0.9',
    ])
      expect(await types(accept)).toEqual(['application/json', 'Accept'])
  })

  test('is not run by a browser, whatever type its publisher gave its data', async () => {
    const { status, headers, body } = await ask(page.eventId, {}, '?mode=binary')
    expect([status, body.toString(), headers['content-type']]).toEqual([
      200,
      markup,
      'text/html; charset=utf-8',
    ])
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    })
  })

  test('is refused in headers where they would be too long, with what to ask for instead', async () => {
    const answer = await ask(long.eventId, {}, '?mode=binary')
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      code: 'bad-request',
      detail: expect.stringContaining('8192 bytes of headers'),
      hint: expect.stringContaining('application/cloudevents+json'),
    })
  })
})
