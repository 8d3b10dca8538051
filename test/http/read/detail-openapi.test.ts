import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { party } from '../../support/pipeline.ts'
import { testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'
import { type TracedRound, tracedRound } from '../../support/traced-round.ts'
import { routesOf, shown, undocumented } from '../openapi-checks.ts'
import { type Operation, readApiDocument } from '../openapi-document.ts'
import type { Sent } from '../raw-http.ts'
import { type DetailApp, detailApp } from './detail-app.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'events' || tag === 'work')
const REQUESTS_EACH = 120
/** Documented, and not to be had here: it takes a broken node, or more events than a test has. */
const notHere = ['500', '503']

let round: TracedRound
let app: DetailApp
let known: readonly string[]
beforeAll(async () => {
  round = await tracedRound({
    answer: (stage, seat, truth) =>
      stage === 'normalize' && seat === 0 ? truth.map(() => 'cd'.repeat(32)) : truth,
  })
  app = await detailApp(round)
  await writeConflict(round)
  await writeHeld(round)
  await round.certify()
  await round.prove()
  const jobs = await round.query('select txid from round_jobs')
  known = [
    ...round.packets.flatMap(({ packetId }) => packetId),
    ...[0, 1, 2, 3, 4].map(index => round.event(0, index).eventId),
    round.decided.roundId,
    'packet.validate.enhanced',
    ...jobs.flatMap(({ txid }) => [String(txid), `${txid}.0`, `${txid}.2`, `${txid}.3`]),
    `${jobs[0]?.['txid']}.${round.packets[0]?.packetId}`,
  ]
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  expect(app.failures).toEqual([])
})

describe('docs/openapi.yaml, on what is shown of one thing', () => {
  test('lists the routes, and no other', () => {
    expect(app.routes.flatMap(routesOf).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test.each(operations.map(each => [`${each.method} ${each.path}`, each] as const))(
    'tells what %s answers to anything',
    async (_, operation) => {
      const seen = new Set<string>()
      const failures = new Map<string, string>()
      const requests = [...examples(operation), ...fc.sample(anyRequest(operation), REQUESTS_EACH)].values()
      const sendRest = async () => {
        for (const sent of requests) {
          const answer = await app.client.send(sent)
          seen.add(String(answer.status))
          for (const failure of undocumented(operation, answer)) failures.set(failure, shown(sent, answer))
        }
      }
      await Promise.all(Array.from({ length: 4 }, sendRest))
      expect(Object.fromEntries(failures)).toEqual({})
      expect(
        [...operation.answers.keys()].filter(each => !seen.has(each) && !notHere.includes(each)),
      ).toEqual(operation.path === '/events/{id}' ? ['400'] : [])
    },
  )
})

const get = (path: string, headers: Readonly<Record<string, string>> = {}): Sent => ({
  method: 'GET',
  path,
  headers,
})

/** Every thing that there is, as anybody, as somebody, and as who cannot prove it. */
function examples({ path }: Operation): Sent[] {
  const strangers = [
    {},
    { [testOnlyIdentityHeader]: party('x').identityKey },
    { [testOnlyIdentityHeader]: 'x' },
  ]
  if (!path.includes('{id}'))
    return [
      ...[
        '',
        '?limit=1',
        '?limit=0',
        '?limit=201',
        '?colour=red',
        '?cursor=ab',
        '?streamId=',
        '?streamId=%00',
      ],
      `?packetId=${known[0]}`,
      '?packetId=x',
      '?limit=1&limit=2',
      `?cursor=${'ab'.repeat(5000)}`,
    ]
      .map(query => get(`${path}${query}`))
      .concat(strangers.map(headers => get(path, headers)))
  return known.flatMap(id => [
    ...strangers.map(headers => get(path.replace('{id}', id), headers)),
    get(path.replace('{id}', id), { accept: 'application/cloudevents+json' }),
    get(`${path.replace('{id}', id)}?mode=binary`),
  ])
}

function anyRequest({ path }: Operation): fc.Arbitrary<Sent> {
  const anyId = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef.'), minLength: 60, maxLength: 70 }),
    fc.constantFrom(...Array.from({ length: 4 }, (_, i) => 'ab'.repeat(32 + i))),
  )
  const anyQuery = fc.oneof(
    fc.constant(''),
    fc
      .tuple(
        fc.constantFrom('limit', 'cursor', 'streamId', 'packetId', 'mode', '__proto__'),
        fc.string({ unit: 'binary' }),
      )
      .map(([name, value]) => `?${name}=${encodeURIComponent(value.toWellFormed())}`),
  )
  return (
    fc
      .tuple(
        anyId,
        anyQuery,
        fc.constantFrom('*/*', 'application/json', 'text/html', 'application/cloudevents+json'),
      )
      // An empty id is another path.
      .map(([id, query, accept]) =>
        get(path.replace('{id}', encodeURIComponent(id.toWellFormed()) || 'x') + query, { accept }),
      )
      .filter(({ path: sent }) => !/\/(\.|%2e){1,2}(\/|\?|$)/i.test(sent))
  )
}

/** As a coordinator writes it that has decided over the first stage. */
async function writeConflict({ bed, packets, decided }: TracedRound): Promise<void> {
  await bed.bed.database.pool.query(
    `insert into conflicts (packet_id, round_id, job_tx, stage, level, policy_digest, decision, leaf, votes, reason, decided_ms)
      select decode($1, 'hex'), round_id, txid, stage, level, decode($3, 'hex'), 'agreed',
          (select leaf from outcomes join round_results as result on result.txid = result_tx
            where result.job_tx = job.txid and member = 0 and is_agreed limit 1),
          (select jsonb_agg(jsonb_build_object('operator', encode(operator, 'hex'), 'agentKey', encode(agent_key, 'hex'),
              'leaf', encode(leaf, 'hex'), 'status', status, 'resultTxid', encode(result.txid, 'hex'),
              'outputHash', encode(output_hash, 'hex')) order by vout)
            from round_results as result join outcomes on result_tx = result.txid and member = 0
            where result.job_tx = job.txid), '2 of 3', 5
        from round_jobs as job where round_id = decode($2, 'hex') and stage = 'normalize'`,
    [packets[0]?.packetId, decided.roundId, packets[0]?.header.policyDigest],
  )
}

async function writeHeld({ bed }: TracedRound): Promise<void> {
  await bed.bed.database.pool.query(
    `insert into quarantine (partition_id, stream_id, source_id, reason, detail, held, authenticated, received_ms)
      select id, stream_id, 'farm-001', 'stale-event-time', 'secret-word', '{"text":"secret-word"}', 'none', 7 from partitions`,
  )
}
