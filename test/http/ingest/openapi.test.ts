import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IngestBed, openIngestBed } from '../../support/ingest-bed.ts'
import { party } from '../../support/pipeline.ts'
import { compareAnswers, routesOf } from '../openapi-checks.ts'
import { readApiDocument } from '../openapi-document.ts'
import { HttpClient, type Sent } from '../raw-http.ts'

const operations = readApiDocument().operations.filter(
  ({ tag, method }) => tag === 'ingest' && method === 'POST',
)

/** Documented, and not to be had here: it takes more patience than a test has. */
const notHere = ['408']

describe('docs/openapi.yaml, on sending events', () => {
  let bed: IngestBed
  let client: HttpClient
  beforeAll(async () => {
    bed = await openIngestBed({
      settings: { trustedProxies: ['127.0.0.0/8'], allowlist: ['192.0.2.0/24'] },
      limits: { bodyBytesMax: 2000 },
      accept: accept => async arrived => {
        if (arrived.backfill === true)
          return { kind: 'refused', refusal: { why: 'quota', limit: 'eventsPerDay', retryAfterS: 5 } }
        if (arrived.level === 'critical') throw new Error('broken on purpose')
        if (arrived.level === 'enhanced')
          return { kind: 'refused', refusal: { why: 'backlog', retryAfterS: 1 } }
        return accept(arrived)
      },
    })
    bed.putSource({ sourceId: 'open' })
    bed.putSource({ sourceId: 'signed', authentication: 'legacy', identityKey: party('x').identityKey })
    client = new HttpClient(bed.port)
  }, 60_000)
  afterAll(async () => {
    client.close()
    await bed.end()
  })

  test('lists the routes, and no other', () => {
    expect(routesOf(bed.door.routes).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test.each(operations.map(each => [`${each.method} ${each.path}`, each] as const))(
    'tells what %s answers',
    async (_, operation) => {
      const { undocumented, neverSeen } = await compareAnswers(operation, examplesFor(operation.path), sent =>
        client.send(sent),
      )
      expect(undocumented).toEqual([])
      expect(neverSeen.filter(status => !notHere.includes(status))).toEqual([])
    },
  )
})

function examplesFor(path: string): Sent[] {
  const from = { 'x-forwarded-for': '192.0.2.1' }
  const send = (query: string, value: unknown, headers: Readonly<Record<string, string>> = {}): Sent => ({
    path: path + query,
    headers: { ...from, 'content-type': 'application/json', ...headers },
    body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  })
  const reading = (value: number, more: object = {}) => ({
    eventType: 'reading',
    externalId: `${path} r`,
    timestamp: 1000 + value,
    data: { value },
    ...more,
  })
  const events = [reading(1), reading(1), reading(2), reading(3, { policyTags: ['PII'] }), 7, { n: 1 }]
  return [
    send('', { sourceId: 'open', events, processingOptions: { distributionTopics: ['gitdata.other'] } }),
    send('?sourceId=open', events),
    send('?sourceId=open', events, { accept: 'application/x-ndjson' }),
    send('?sourceId=open', events, { 'idempotency-key': 'k' }),
    send('?sourceId=open', [reading(9)], { 'idempotency-key': 'k' }),
    send('', { sourceId: 'open' }),
    send('', '{'),
    send('?other=1', []),
    send('?sourceId=open', '{"n":1}', { 'content-type': 'text/html' }),
    send('?sourceId=open', '{"n":1}', { 'content-encoding': 'zstd' }),
    send('?sourceId=open', ' '.repeat(3000)),
    send('', [reading(1)]),
    send('?sourceId=signed', [reading(1)]),
    send('?sourceId=open', [reading(1)], { 'x-forwarded-for': '198.51.100.1' }),
    send('?sourceId=open&backfill=true', [reading(1)]),
    send('?sourceId=open&level=critical', [reading(1)]),
    send('?sourceId=open&level=enhanced', [reading(1)]),
    send('?sourceId=open', [reading(1)], { 'x-bsv-auth-identity-key': 'x' }),
  ]
}

test('docs/openapi.yaml says of every body that is an answer what it looks like', () => {
  const words = ['type', 'enum', 'oneOf', 'anyOf', 'allOf']
  const silent = readApiDocument().operations.flatMap(({ id, answers }) =>
    [...answers].flatMap(([status, { bodies }]) =>
      [...bodies.values()]
        .filter(({ schema }) => !words.some(word => Object.hasOwn(Object(schema), word)))
        .map(() => `${id} ${status}`),
    ),
  )
  expect(silent).toEqual([])
})
