import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { SponsorDeps } from '../../src/adapters/agents/sponsor.ts'
import { ADVERTS_PATH } from '../../src/contract/advert-request.ts'
import { reputationOf } from '../../src/core/rounds/coordinating/reputation.ts'
import { agentRoutes } from '../../src/http/agent-routes.ts'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { type AgentsAtNode, advertScripts, agentsAtNode } from '../adapters/agents/agents-at-node.ts'
import { party } from '../support/pipeline.ts'
import { routesOf, shown, undocumented } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { HttpClient, type Sent } from './raw-http.ts'

const operations = readApiDocument().operations.filter(({ tag }) => tag === 'agents')

const shownAgent = {
  agentKey: party('an agent that is shown').identityKey,
  operator: party('an operator that is shown').identityKey,
  independence: 'simulated' as const,
  stages: ['normalize'],
  reputation: reputationOf(
    { agreed: 3, dissenting: 1, silent: 0, late: 0, failed: 0, void: 0, equivocated: 0, asOfMs: 1 },
    2,
  ),
  region: null,
  satoshisPerThousandEvents: 10,
  reachable: true,
  latencyMs: 12.5,
  expiresMs: 1_900_000_000_000,
  health: null,
}

/** Documented, and not to be had here: it takes a broken node, or more patience than a test has. */
const notHere = ['408', '500', '503']

describe('docs/openapi.yaml, on agents without coins', () => {
  let node: AgentsAtNode
  const failures: unknown[] = []
  beforeAll(async () => {
    node = await agentsAtNode()
  }, 60_000)
  afterAll(async () => {
    await node.close()
    expect(failures).toEqual([])
  })

  let listed = [shownAgent]
  const routes = (deps: Partial<SponsorDeps> = {}) =>
    agentRoutes({
      sponsor: node.sponsor(deps),
      agents: () => listed,
      onFailure: error => void failures.push(error),
    })

  const answered = async (deps: Partial<SponsorDeps>, request: Sent) => {
    const app = nodeApp({
      routes: [routes(deps)],
      metrics: new Registry(),
      network: 'local',
      onFailure: error => void failures.push(error),
    })
    const served: HttpServer = await listen(app, 0, '127.0.0.1', {
      ...httpLimits,
      headers: standingHeaders('local'),
    })
    const client = new HttpClient(served.port)
    try {
      return await client.send(request)
    } finally {
      client.close()
      await served.stop()
    }
  }

  test('lists their routes, and no other', () => {
    expect(routesOf(routes())).toEqual(operations.map(({ method, path }) => `${method} ${path}`))
  })

  const named = (id: string) => {
    const operation = operations.find(each => each.id === id)
    if (operation === undefined) throw new Error(`there is no ${id}`)
    return operation
  }

  test('tells what agents are shown as', async () => {
    const request: Sent = { method: 'GET', path: '/agents', headers: {} }
    expect(undocumented(named('agents'), await answered({}, request))).toEqual([])
  })

  test('leads through all agents page by page, each once, also where some come and go meanwhile', async () => {
    const keys = Array.from({ length: 7 }, (_, i) => party(`agent ${i} of a page`).identityKey)
    const shownFirst = keys.toSorted()[0]
    listed = keys.map(agentKey => ({ ...shownAgent, agentKey }))
    const pageShape = z.looseObject({
      agents: z.array(z.looseObject({ agentKey: z.string() })),
      total: z.number(),
      nextCursor: z.string().nullable(),
    })
    const page = async (query: string) => {
      const answer = await answered({}, { method: 'GET', path: `/agents${query}`, headers: {} })
      expect(undocumented(named('agents'), answer)).toEqual([])
      return pageShape.parse(JSON.parse(answer.body.toString()))
    }
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { agents, total, nextCursor }: z.output<typeof pageShape> = await page(
        `?limit=3${cursor && `&cursor=${cursor}`}`,
      )
      seen.push(...agents.map(({ agentKey }) => agentKey))
      expect(total).toBe(listed.length)
      cursor = nextCursor
      listed = listed.filter(({ agentKey }) => agentKey !== shownFirst)
    }
    expect(seen).toEqual(keys.toSorted())
    expect(await page('')).toMatchObject({ total: 6, nextCursor: null })
    for (const query of ['?limit=0', '?limit=1001', '?cursor=02', '?page=2']) {
      const answer = await answered({}, { method: 'GET', path: `/agents${query}`, headers: {} })
      expect([answer.status, ...undocumented(named('agents'), answer)]).toEqual([400])
    }
    listed = [shownAgent]
  })

  test('tells what each of them is answered', async () => {
    const operation = named('payForAdverts')
    const send = (value: unknown, headers: Readonly<Record<string, string>> = {}): Sent => ({
      method: 'POST',
      path: ADVERTS_PATH,
      headers: { 'content-type': 'application/json', ...headers },
      body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    })
    const scripts = advertScripts({ agent: party('an agent that is documented') })
    const asked: [Partial<SponsorDeps>, Sent][] = [
      [{}, send({ scripts })],
      [{}, send({ scripts: ['00'] })],
      [{}, send({ scripts: [] })],
      [{}, send('{')],
      [{}, send({ scripts }, { 'content-encoding': 'br' })],
      [{}, send(' '.repeat(70_000))],
      [{ operators: [party('another operator').identityKey] }, send({ scripts })],
      [{ advertsPerDayMax: 0 }, send({ scripts: advertScripts({ agent: party('an agent too many') }) })],
    ]
    const seen = new Set<string>()
    const failed: string[] = []
    for (const [deps, request] of asked) {
      const answer = await answered(deps, request)
      seen.add(String(answer.status))
      failed.push(...undocumented(operation, answer).map(each => `${each}: ${shown(request, answer)}`))
    }
    expect(failed).toEqual([])
    expect([...operation.answers.keys()].filter(each => !seen.has(each) && !notHere.includes(each))).toEqual(
      [],
    )
  })
})
