import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { signTransaction } from '../../src/contract/spend.ts'
import { readTransaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import { saysFailed } from '../agents/liars/conducts.ts'
import { startLiar } from '../agents/liars/liar.ts'
import { mineInstead } from '../agents/liars/take-back.ts'
import { type AgentName, agentOf, operatorOf } from '../support/agents-bed/operators.ts'
import type { AgentsBed } from '../support/agents-bed.ts'
import { party, payTo, tokenSpend } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import type { Child, ChildSettings } from './child-node.ts'
import { pause } from './submit-load.ts'

/** What has to happen for a node to come by some of the places at which it may be killed. */
export type Provocation = {
  /** Of the node that is to come by. */
  settings?(bed: AgentsBed): ChildSettings | Promise<ChildSettings>
  /** Once it takes traffic. */
  begin?(bed: AgentsBed, publish: () => Promise<unknown>): void | Promise<void>
  end?(bed: AgentsBed): void | Promise<void>
}

/** Places that nothing outside of a process can bring it to, and what is shown of them elsewhere. */
export const notProvoked: Readonly<Record<string, string>> = {
  'certify.given-up':
    'what agents have stored would have to go between their verdict and its certificate; test/jobs/recovery.test.ts takes it away',
}

export const adminToken = 'whoever-looks-after-this-bed'

export function provocationOf(point: string): Provocation | undefined {
  return provocations.find(([which]) => which.test(point))?.[1]
}

const PUBLISHED_MAX = 60

/** A bit at a time, until the node has come by. */
async function publishUntilGone(bed: AgentsBed, publish: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < PUBLISHED_MAX && !bed.node().hasExited(); n++) {
    await publish().catch(() => undefined)
    await pause(300)
  }
}

const silenced: readonly AgentName[] = ['east/normalize', 'south/normalize']
/** Two of three stand still, so that a round ends without a verdict. */
const silence: Provocation = {
  begin: bed => silenced.forEach(name => void childOf(bed, name).signal('SIGSTOP')),
  end: bed => silenced.forEach(name => void childOf(bed, name).signal('SIGCONT')),
}

/** One begins anew, and shows itself again. */
const newcomer: Provocation = {
  async begin(bed) {
    await childOf(bed, 'north/certify').kill()
    bed.agents.get('north/certify')?.restart()
  },
}

/** A packet is given up, and taken up again by an admin. */
const redriven: Provocation = {
  settings: () => ({ INGEST_RETRY_MAX: '1' }),
  async begin(bed, publish) {
    // Only of those who are known to be there is anybody asked.
    await publish()
    await bed.allAnchored()
    await silence.begin?.(bed, publish)
    await publish()
    await until(async () => (await deadLetters(bed)).length > 0)
    await silence.end?.(bed)
    // Nobody is answered by a node that is killed.
    await redriveAll(bed).catch(async error => {
      await until(() => bed.node().hasExited()).catch(() => Promise.reject(error))
    })
  },
  end: bed => silence.end?.(bed),
}

/** Miners put another spend of a seat in the place of its answer, and of all that was built on it. */
const takenBack: Provocation = {
  async begin(bed, publish) {
    await publish()
    await bed.allAnchored()
    const { rows } = await bed.pool.query<Seat>(
      `select sent.raw, encode(job.round_id, 'hex') as subject, seat.vout, encode(seat.result_tx, 'hex') as "resultTx"
        from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
        join rounds as round on round.round_id = job.round_id and round.state = 'over'
        join fuel_transactions as sent on sent.txid = job.txid
        where seat.stage = 'validate' and seat.agent_key = $1 and seat.result_tx is not null
        order by job.made_ms desc limit 1`,
      [Buffer.from(agentOf('south/validate').identityKey, 'hex')],
    )
    const [seat] = rows
    if (seat === undefined) throw new Error('there is no answer to be taken back')
    const agent = agentOf('south/validate')
    const job = orThrow(readTransaction(Uint8Array.from(seat.raw)))
    const spends = [tokenSpend(job, seat.vout, 'GDJ1', seat.subject, agent)]
    await mineInstead(bed, seat.resultTx, signTransaction(spends, [payTo(agent, 50)]))
  },
}

type Seat = {
  readonly raw: Buffer
  readonly subject: string
  readonly vout: number
  readonly resultTx: string
}

/** Somebody has failed: what that says of an agent is written down with its answer. */
const failing: Provocation = {
  async begin(bed, publish) {
    await childOf(bed, 'south/normalize').kill()
    const liar = await startLiar({
      agent: party('an agent that fails'),
      operator: operatorOf('south'),
      stage: 'normalize',
      nodeUrl: bed.url,
      conduct: saysFailed.conduct,
    })
    stops.push(() => liar.stop())
    await publishUntilGone(bed, publish)
  },
  async end(bed) {
    for (const stop of stops.splice(0)) await stop()
    bed.agents.get('south/normalize')?.restart()
  },
}

const stops: (() => Promise<void>)[] = []

const withoutAgents: Provocation = { settings: () => ({ BRC22_JOB_ORCHESTRATION_ENABLED: 'false' }) }

/** What is said over all packets of a window follows once a packet of a later one is certified. */
const aggregates: Provocation = {
  async begin(bed, publish) {
    await setAggregate(bed, { windowMs: 1_000 })
    await publishUntilGone(bed, publish)
  },
  end: bed => setAggregate(bed, null),
}

async function setAggregate(bed: AgentsBed, plan: object | null): Promise<void> {
  await bed.pool.query('update streams set aggregate = $1', [plan && JSON.stringify(plan)])
}

/** A certifier outside, that knows every version. */
const outside: Provocation = {
  async settings() {
    const server = createServer((request, response) => {
      request.resume()
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ versionId: 'ab'.repeat(32) }))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    // Of this process, which must not wait for it.
    server.unref()
    return { CERTIFIER_WEBHOOK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
  },
}

const provocations: readonly (readonly [RegExp, Provocation])[] = [
  [/^rounds\.(?:closing|close-written|closed|end-written|left)$/, silence],
  [/^rounds\.reopened$/, redriven],
  [/^(?:rounds\.recover.*|certify\.lost)$/, takenBack],
  [/^rounds\.taken-down$/, failing],
  [/^advert\./, newcomer],
  [/^local\./, withoutAgents],
  [/^aggregate\./, aggregates],
  [/^outside\./, outside],
]

/** Takes up again all that was given up. */
export async function redriveAll(bed: AgentsBed): Promise<void> {
  for (const id of await deadLetters(bed)) {
    const headers = { Authorization: `Bearer ${adminToken}` }
    const response = await fetch(`${bed.url}/admin/dead-letters/${id}/redrive`, { method: 'POST', headers })
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  }
}

async function deadLetters(bed: AgentsBed): Promise<readonly number[]> {
  const { rows } = await bed.pool.query<{ id: number }>(`select id from dead_letters where state = 'dead'`)
  return rows.map(({ id }) => id)
}

function childOf(bed: AgentsBed, name: AgentName): Child {
  const agent = bed.agents.get(name)
  if (agent === undefined) throw new Error(`${name} is none of this bed's`)
  return agent.child()
}
