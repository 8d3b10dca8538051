import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { readBeef } from '../../../src/contract/beef.ts'
import { hostAdvertScript } from '../../../src/contract/host-advert.ts'
import { agentSubject, tokenScript } from '../../../src/contract/tokens.ts'
import { toHex } from '../../../src/core/bytes.ts'
import type { Stage } from '../../../src/core/rounds/template.ts'
import { wordFor } from '../../support/agents-bed/operators.ts'
import type { Party } from '../../support/pipeline.ts'
import { readTakenJob, type TakenJob, topicOfStage } from './taken-job.ts'

/** What it does with a job, from the moment that it is offered. */
export type Conduct = {
  /** How an offer is answered; taken at once where nothing is said. */
  readonly offered?: (job: TakenJob, response: ServerResponse, offers: number) => void | Promise<void>
  /** What follows once it has been answered; nothing where nothing is said. */
  readonly work?: (job: TakenJob, liar: LiarMemory) => Promise<void>
}

/** What it did before. */
export type LiarMemory = { readonly jobs: TakenJob[]; readonly notes: Map<string, unknown> }

export type Liar = LiarMemory & {
  readonly agent: Party
  readonly url: string
  /** From the next offer on. */
  conduct: Conduct
  /** What went wrong in it: a liar that fails is none. */
  readonly failures: unknown[]
  stop(): Promise<void>
}

/** An agent with an address, an advert and an operator's word like any other, that works as its conduct says. */
export async function startLiar(options: {
  readonly agent: Party
  readonly operator: Party
  readonly stage: Stage
  readonly nodeUrl: string
  readonly conduct: Conduct
}): Promise<Liar> {
  const { agent, operator, stage, nodeUrl } = options
  const failures: unknown[] = []
  const jobs: TakenJob[] = []
  const offers = new Map<string, number>()
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== 'POST' || request.url !== '/submit') return sayHealth(response, agent, stage)
    const read = readBeef(await buffer(request))
    const job = read.ok ? readTakenJob(agent, read.value, nodeUrl) : undefined
    if (job === undefined) return void response.writeHead(400).end()
    const { conduct } = liar
    const times = (offers.get(job.job.txid) ?? 0) + 1
    offers.set(job.job.txid, times)
    if (conduct.offered === undefined) take(job, response)
    else await conduct.offered(job, response, times)
    if (times > 1 && !response.writableEnded) return
    if (jobs.some(other => other.job.txid === job.job.txid)) return
    jobs.push(job)
    await conduct.work?.(job, liar)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(error => void failures.push(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  const liar: Liar = {
    agent,
    url: `http://127.0.0.1:${address.port}`,
    conduct: options.conduct,
    failures,
    jobs,
    notes: new Map(),
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  await advertise(liar, operator, stage, nodeUrl)
  return liar
}

/** A STEAK that admits its seat. */
export function take({ facts, seat }: TakenJob, response: ServerResponse): void {
  const steak = { [topicOfStage(facts.stage)]: { outputsToAdmit: [seat], coinsToRetain: [] } }
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(steak))
}

function sayHealth(response: ServerResponse, agent: Party, stage: Stage): void {
  const health = {
    status: 'ready',
    agentKey: agent.identityKey,
    capabilities: [stage],
    version: '0',
    signer: 'native',
    jobs: { running: 0, completed: 0, failed: 0, rejected: 0 },
    startedMs: 0,
  }
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(health))
}

const DAY_MS = 86_400_000

async function advertise(liar: Liar, operator: Party, stage: Stage, nodeUrl: string): Promise<void> {
  const { agent, url } = liar
  const advert = tokenScript('GDA1', agent, agentSubject(agent.identityKey), {
    capabilities: [stage],
    ...wordFor(operator, agent.identityKey),
    endpoints: [url],
    packetsMax: 64,
    bytesMax: 64 * 1024 * 1024,
    satoshisPerThousandEvents: 0,
    expiresMs: Date.now() + DAY_MS,
  })
  const host = hostAdvertScript('SHIP', agent, url, topicOfStage(stage))
  const response = await fetch(`${nodeUrl}/agents/adverts`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ scripts: [advert, host].map(toHex) }),
  })
  if (!response.ok) throw new Error(`the adverts: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}
