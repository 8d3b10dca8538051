import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ANSWER_MS_MAX, SEAT_LEASE_MS, takeDueSeats } from '../../../src/adapters/agents/due-seats.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { judgeBeef } from '../../../src/contract/judge-beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { openOffering } from '../../../src/jobs/offer-seats.ts'
import type { DueSeat } from '../../../src/jobs/ports.ts'
import { party } from '../../support/pipeline.ts'
import { type Reply, type SmallServer, smallServer } from '../../support/small-server.ts'
import { until } from '../../support/until.ts'
import { type AgentsAtNode, agentsAtNode, seatRow } from './agents-at-node.ts'

let node: AgentsAtNode
const servers: SmallServer[] = []
beforeAll(async () => {
  node = await agentsAtNode()
}, 60_000)
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  await node.bed.database.pool.query(`update round_seats set state = 'dead'; truncate agent_reach`)
})
afterAll(() => node.close())

const agent = party('an agent that is offered seats')
const givenUp = { beganMs: 1300, againMs: undefined }
const steak = (vout: number) => ({
  [baseTopics.normalize]: { outputsToAdmit: [vout], coinsToRetain: [], coinsRemoved: [] },
})

async function agentAt(reply: () => Reply | undefined): Promise<string> {
  const server = await smallServer(reply)
  servers.push(server)
  return server.url
}

async function dueSeat(name: string, endpoints: readonly string[]): Promise<DueSeat> {
  await node.job(name, [{ agent, endpoints }])
  const [seat] = await node.offers().takeDue(10)
  if (seat === undefined) throw new Error('a seat is due')
  return seat
}

describe('a seat that is due', () => {
  test('is offered as a BEEF that its agent can judge, and runs once the agent’s STEAK admits it', async () => {
    const received: { path: string | undefined; topics: unknown; body: Buffer }[] = []
    const server = createServer(async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      received.push({ path: request.url, topics: request.headers['x-topics'], body: Buffer.concat(parts) })
      response.end(JSON.stringify(steak(0)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const job = await node.job('taken', [{ agent, endpoints: [`http://127.0.0.1:${port}/agent/`] }])
    const offers = node.offers()
    const [seat] = await offers.takeDue(10)
    if (seat === undefined) throw new Error('a seat is due')
    expect(await offers.takeDue(10)).toEqual([])
    await offers.offered(seat, await offers.offer(seat), { beganMs: 1200, atMs: 1234 })
    expect(await seatRow(node, job.txid, 0)).toEqual({
      state: 'running',
      attempts: 1,
      steak: steak(0),
      offeredMs: 1200,
      acknowledgedMs: 1234,
      error: null,
    })
    server.closeAllConnections()
    server.close()
    const [{ path, topics, body } = { body: Buffer.alloc(0) }] = received
    expect([path, topics]).toEqual(['/agent/submit', JSON.stringify([baseTopics.normalize])])
    const beef = orThrow(readBeef(body, { minimal: true }))
    expect(beef.subject.txid).toBe(job.txid)
    const host = { templates: ['packet' as const] }
    expect(judgeBeef(Uint8Array.from(body), host).ok).toBe(true)
  })

  test('is not offered before the network has the job, nor after its deadline, nor while it is held in reserve', async () => {
    await node.job('unseen', [{ agent, endpoints: [] }], { seen: false })
    await node.job('too late', [{ agent, endpoints: [] }], { deadlineMs: Date.now() - 1 })
    await node.job('reserve', [{ agent, endpoints: [], isReserve: true }])
    expect(await node.offers().takeDue(10)).toEqual([])
  })

  test.each<[string, Reply | undefined, string]>([
    ['does not admit it', { status: 200, body: JSON.stringify(steak(7)) }, 'did not take the seat'],
    ['admits nothing', { status: 200, body: '{}' }, 'did not take the seat'],
    ['is no STEAK', { status: 200, body: '[1]' }, 'is no STEAK'],
    ['is not JSON', { status: 200, body: '<html>' }, 'is no STEAK'],
    ['says that it has enough to do', { status: 503, body: '{}' }, 'answered 503'],
    ['is too long', { status: 200, body: `"${'x'.repeat(70_000)}"` }, 'longer than'],
    ['never comes', undefined, 'hang up'],
  ])('is offered again where the answer %s, and given up in the end', async (what, reply, why) => {
    const url = await agentAt(() => reply)
    const seat = await dueSeat(what, [url])
    const offers = node.offers()
    const error = await offers.offer(seat).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(String(error)).toContain(why)
    await offers.failed(seat, error, { beganMs: 1200, againMs: Date.now() - 1 })
    expect(await seatRow(node, seat.jobTx, seat.vout)).toMatchObject({
      state: 'queued',
      attempts: 1,
      steak: null,
      offeredMs: 1200,
    })
    await node.bed.database.pool.query('truncate agent_reach')
    const [again] = await offers.takeDue(10)
    expect(again).toMatchObject({ jobTx: seat.jobTx, attempts: 1 })
    if (again !== undefined) await offers.failed(again, error, givenUp)
    expect((await seatRow(node, seat.jobTx, seat.vout)).state).toBe('failed')
    expect(await offers.takeDue(10)).toEqual([])
  })

  test('is taken and given up whatever its agent says beside that, also what the database cannot keep', async () => {
    const more = { ...steak(0)[baseTopics.normalize], note: '\0' }
    const url = await agentAt(() => ({
      status: 200,
      body: JSON.stringify({ [baseTopics.normalize]: more, 'tm_\0': { outputsToAdmit: [] } }),
    }))
    const seat = await dueSeat('zeros', [url])
    const offers = node.offers()
    await offers.offered(seat, await offers.offer(seat), { beganMs: 6, atMs: 7 })
    expect(await seatRow(node, seat.jobTx, 0)).toMatchObject({ state: 'running', steak: steak(0) })

    const other = await dueSeat('zeros in a reason', [url])
    await offers.failed(other, new Error('not\0 now'), givenUp)
    expect(await seatRow(node, other.jobTx, 0)).toMatchObject({ state: 'failed', error: 'not\uFFFD now' })
  })

  test('goes to the next endpoint where one does not answer', async () => {
    const url = await agentAt(() => ({ status: 200, body: JSON.stringify(steak(0)) }))
    const seat = await dueSeat('two endpoints', ['http://127.0.0.1:1025', url])
    expect(await node.offers().offer(seat)).toEqual(steak(0))
  })

  test('waits while its agent is left alone after a failure; an agent that has refused is not', async () => {
    const silent = await dueSeat('silent', ['http://127.0.0.1:1025'])
    const offers = node.offers()
    const error = await offers.offer(silent).catch((thrown: unknown) => thrown)
    await offers.failed(silent, error, { beganMs: 1, againMs: Date.now() - 1 })
    expect(await offers.takeDue(10)).toEqual([])
    await node.bed.database.pool.query(`update round_seats set state = 'dead'; truncate agent_reach`)

    const url = await agentAt(() => ({ status: 200, body: '{}' }))
    const refused = await dueSeat('refused', [url])
    const refusal = await offers.offer(refused).catch((thrown: unknown) => thrown)
    await offers.failed(refused, refusal, { beganMs: 1, againMs: Date.now() - 1 })
    expect(await offers.takeDue(10)).toMatchObject([{ jobTx: refused.jobTx }])
  })

  test('stays answered where the result was faster than the STEAK', async () => {
    const seat = await dueSeat('fast', [])
    const { pool } = node.bed.database
    await pool.query(`update round_seats set state = 'completed' where state = 'queued'`)
    await node.offers().offered(seat, steak(0), { beganMs: 4, atMs: 5 })
    expect(await seatRow(node, seat.jobTx, 0)).toMatchObject({ state: 'completed', acknowledgedMs: 5 })
    await node.offers().failed(seat, 'too late to say', givenUp)
    expect((await seatRow(node, seat.jobTx, 0)).state).toBe('completed')
  })

  test('is taken by one of many processes', async () => {
    await node.job('many', [{ agent, endpoints: [] }])
    const { pool } = node.bed.database
    const due = { held: 'nowhere', limit: 10, nowMs: Date.now() } as const
    const taken = await Promise.all(Array.from({ length: 5 }, () => takeDueSeats(pool, due)))
    expect(taken.flat()).toHaveLength(1)
  })

  test('is another’s to offer soon after whoever took it has gone, and nobody has been asked by that', async () => {
    const { txid } = await node.job('abandoned', [{ agent, endpoints: [] }])
    const { pool } = node.bed.database
    const nowMs = Date.now()
    const takenAt = (ms: number) => takeDueSeats(pool, { held: 'nowhere', limit: 10, nowMs: ms })
    const taken = await takenAt(nowMs)
    expect(taken).toMatchObject([{ jobTx: txid }])
    // Whoever begins as late as may be has the whole call, and time to note what came of it.
    expect((taken[0]?.beginUntilMs ?? 0) + ANSWER_MS_MAX).toBeLessThan(nowMs + SEAT_LEASE_MS)
    expect(await takenAt(nowMs + ANSWER_MS_MAX)).toEqual([])
    expect(await seatRow(node, txid, 0)).toMatchObject({ state: 'queued', attempts: 0, offeredMs: null })
    expect(await takenAt(nowMs + SEAT_LEASE_MS)).toMatchObject([{ jobTx: txid, attempts: 0 }])
  })

  test.each<[string, readonly string[], string]>([
    ['its job cannot be put together', ['http://127.0.0.1:1025'], 'no ancestors'],
    ['there is no way to call its agent', [], 'no endpoint'],
  ])('has asked nobody where %s', async (what, endpoints, why) => {
    const offers = node.offers(
      what.startsWith('its job') ? () => Promise.reject(new Error('no ancestors')) : undefined,
    )
    const { txid } = await node.job(what, [{ agent, endpoints }])
    const [seat] = await offers.takeDue(10)
    if (seat === undefined) throw new Error('a seat is due')
    const error = await offers.offer(seat).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain(why)
    await offers.failed(seat, error, { beganMs: 1200, againMs: Date.now() - 1 })
    expect(await seatRow(node, txid, 0)).toMatchObject({ state: 'queued', attempts: 1, offeredMs: null })
  })

  test('has asked its agent before that has answered, where it takes long', async () => {
    const never = new Promise<undefined>(() => undefined)
    const slow = await smallServer(() => never)
    servers.push(slow)
    const seat = await dueSeat('slow', [slow.url])
    const offering = node.offers().offer(seat)
    const row = await until(async () => {
      const found = await seatRow(node, seat.jobTx, 0)
      return found.offeredMs !== null && found
    })
    expect(row).toMatchObject({ state: 'queued', attempts: 0, acknowledgedMs: null })
    await slow.stop()
    await expect(offering).rejects.toThrow()
  })

  test('stays ours while one endpoint after the other is called', async () => {
    const url = await agentAt(() => ({ status: 200, body: JSON.stringify(steak(0)) }))
    const seat = await dueSeat('moving on', ['http://127.0.0.1:1025', url])
    const before = Date.now()
    await node.offers().offer(seat)
    const { rows } = await node.bed.database.pool.query<{ until: number }>(
      'select next_run_ms as until from round_seats where job_tx = $1',
      [bytea(seat.jobTx)],
    )
    expect(rows[0]?.until).toBeGreaterThanOrEqual(before + SEAT_LEASE_MS)
    expect((await seatRow(node, seat.jobTx, 0)).offeredMs).toBeGreaterThanOrEqual(before)
  })

  /** One offer that is under way until it is let go, and another one of the same agent in line behind it. */
  const inLine = async (...names: string[]) => {
    let asked = 0
    let letGo = () => {}
    const held = new Promise<void>(resolve => {
      letGo = resolve
    })
    const server = await smallServer(async () => {
      asked += 1
      if (asked === 1) await held
      return { status: 200, body: JSON.stringify(steak(0)) }
    })
    servers.push(server)
    const { url } = server
    const jobs = await Promise.all(names.map(name => node.job(name, [{ agent, endpoints: [url] }])))
    const clock = { ms: Date.now() }
    const offering = () =>
      openOffering({
        offers: node.offers(undefined, () => clock.ms),
        bounds: {
          ...{ perAgent: 1, atOnce: 8, triesMax: 3, pollMs: 0 },
          retry: { baseMs: 10, factor: 2, longestMs: 100 },
        },
        ...{ now: () => clock.ms, random: Math.random, at: () => undefined, onOffer: () => undefined },
        onFailure(error) {
          throw error
        },
      })
    const ours = offering()
    await ours.look()
    await until(() => asked === 1)
    return { clock, ours, others: offering(), jobs, asked: () => asked, letGo }
  }

  test('is left to others where it has stood in line for longer than it was ours', async () => {
    const { clock, ours, others, jobs, asked, letGo } = await inLine('first', 'second')
    clock.ms += SEAT_LEASE_MS
    await others.look()
    await until(async () => {
      const rows = await Promise.all(jobs.map(({ txid }) => seatRow(node, txid, 0)))
      return rows.every(({ state }) => state === 'running')
    })
    letGo()
    await until(() => ours.underWay() === 0)
    expect(asked()).toBe(3)
  })

  test('is due again at once where it has stood in line for too long to be offered', async () => {
    const { clock, ours, jobs, asked, letGo } = await inLine('third', 'fourth')
    clock.ms += SEAT_LEASE_MS - ANSWER_MS_MAX
    letGo()
    await until(() => ours.underWay() === 0)
    expect(asked()).toBe(1)
    const { pool } = node.bed.database
    const taken = await takeDueSeats(pool, { held: 'nowhere', limit: 10, nowMs: clock.ms })
    expect(taken).toHaveLength(1)
    expect(jobs.map(({ txid }) => txid)).toContain(taken[0]?.jobTx)
  })
})
