import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { takeDueSeats } from '../../../src/adapters/agents/due-seats.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { judgeBeef } from '../../../src/contract/judge-beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { DueSeat } from '../../../src/jobs/ports.ts'
import { party } from '../../support/pipeline.ts'
import { type Reply, type SmallServer, smallServer } from '../../support/small-server.ts'
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
    await offers.offered(seat, await offers.offer(seat), 1234)
    expect(await seatRow(node, job.txid, 0)).toEqual({
      state: 'running',
      attempts: 1,
      steak: steak(0),
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
    await offers.failed(seat, error, Date.now() - 1)
    expect(await seatRow(node, seat.jobTx, seat.vout)).toMatchObject({
      state: 'queued',
      attempts: 1,
      steak: null,
    })
    await node.bed.database.pool.query('truncate agent_reach')
    const [again] = await offers.takeDue(10)
    expect(again).toMatchObject({ jobTx: seat.jobTx, attempts: 1 })
    if (again !== undefined) await offers.failed(again, error, undefined)
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
    await offers.offered(seat, await offers.offer(seat), 7)
    expect(await seatRow(node, seat.jobTx, 0)).toMatchObject({ state: 'running', steak: steak(0) })

    const other = await dueSeat('zeros in a reason', [url])
    await offers.failed(other, new Error('not\0 now'), undefined)
    expect(await seatRow(node, other.jobTx, 0)).toMatchObject({ state: 'failed', error: 'not now' })
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
    await offers.failed(silent, error, Date.now() - 1)
    expect(await offers.takeDue(10)).toEqual([])
    await node.bed.database.pool.query(`update round_seats set state = 'dead'; truncate agent_reach`)

    const url = await agentAt(() => ({ status: 200, body: '{}' }))
    const refused = await dueSeat('refused', [url])
    const refusal = await offers.offer(refused).catch((thrown: unknown) => thrown)
    await offers.failed(refused, refusal, Date.now() - 1)
    expect(await offers.takeDue(10)).toMatchObject([{ jobTx: refused.jobTx }])
  })

  test('stays answered where the result was faster than the STEAK', async () => {
    const seat = await dueSeat('fast', [])
    const { pool } = node.bed.database
    await pool.query(`update round_seats set state = 'completed' where state = 'queued'`)
    await node.offers().offered(seat, steak(0), 5)
    expect(await seatRow(node, seat.jobTx, 0)).toMatchObject({ state: 'completed', acknowledgedMs: 5 })
    await node.offers().failed(seat, 'too late to say', undefined)
    expect((await seatRow(node, seat.jobTx, 0)).state).toBe('completed')
  })

  test('is taken by one of many processes', async () => {
    await node.job('many', [{ agent, endpoints: [] }])
    const { pool } = node.bed.database
    const due = { held: 'nowhere', limit: 10, nowMs: Date.now() } as const
    const taken = await Promise.all(Array.from({ length: 5 }, () => takeDueSeats(pool, due)))
    expect(taken.flat()).toHaveLength(1)
  })
})
