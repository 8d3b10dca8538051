import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import { findPostmaster } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/adapters/postgres/embedded-server.ts'
import { stages } from '../../src/core/rounds/template.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import type { AgentProcess } from '../support/agents-bed/agent-process.ts'
import { type AgentName, agentNames } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAnytime, auditAtRest } from '../support/audit-certified.ts'
import { silentLog } from '../support/silent-log.ts'
import { until } from '../support/until.ts'
import type { Child, ChildNode } from './child-node.ts'
import { crashPoints } from './crash-points.ts'
import { adminToken, notProvoked, provocationOf, redriveAll } from './provocations.ts'
import { pause } from './submit-load.ts'

// By hand, the full count: ASSAY_KILLS=50 ASSAY_SERVER_KILLS=20 npx vitest run test/node/certify-kill.test.ts
const slice = 4
const kills = Number(process.env['ASSAY_KILLS'] ?? slice)
const serverKills = Number(process.env['ASSAY_SERVER_KILLS'] ?? 2)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
/** After so many crashes everything is brought to an end and looked at; by hand, after each. */
const crashesBetweenRests = kills > slice ? 1 : 6
const momentMsMax = 800
/** One of each kind. All of them: ASSAY_CRASH_POINTS=. npx vitest run test/node/certify-kill.test.ts */
const placesOfSlice =
  '^(?:rounds\\.(?:planned|opened|decided|handed-over)|certify\\.(?:kept|written)|offer\\.sent|work\\.read|agent\\.worked in north/validate|agent\\.uploaded in north/certify)$'
/** Of the places, those that match: ASSAY_CRASH_POINTS='^certify' */
const wanted = new RegExp(process.env['ASSAY_CRASH_POINTS'] ?? placesOfSlice)
/** Short, so that whoever was killed is not waited for long. */
const settings = { EVENT_PROCESSING_TIMEOUT_MS: '3000', INGEST_BACKOFF_BASE_MS: '50', INGEST_RETRY_MAX: '12' }

let sent = 0
const events = () =>
  Array.from({ length: 5 }, () => {
    sent += 1
    return { eventType: 'reading', externalId: `reading-${sent}`, data: { celsius: sent % 40 } }
  })

describe('kill -9 at a named place', () => {
  const places = allPlaces().filter(({ name, point }) => wanted.test(name) && !(point in notProvoked))
  let bed: AgentsBed
  beforeAll(async () => {
    bed = await agentsBed({
      settings: { ...settings, ADMIN_TOKEN: adminToken, LOCAL_CHAIN_CONTROL: 'true' },
    })
  }, 120_000)
  afterAll(() => bed.stop())

  test('there are many of them', () => {
    expect(crashPoints().length).toBeGreaterThanOrEqual(30)
  })

  for (let from = 0; from < places.length; from += crashesBetweenRests) {
    const group = places.slice(from, from + crashesBetweenRests)
    test(`${group.map(({ name }) => name).join(', ')}: what was begun is finished, once`, {
      timeout: 60_000 + group.length * 60_000,
    }, async () => {
      const notReached: string[] = []
      let stage = 'at the beginning'
      onTestFailed(async () => void process.stderr.write(`${stage}: ${await bed.describe()}`))
      for (const { name, point, agent } of group) {
        stage = `at ${name}`
        const crashed = agent === undefined ? crashNodeAt(bed, point) : crashAgentAt(bed, agent, point)
        if (!(await crashed)) notReached.push(name)
        expect(await auditAnytime(bed.pool), `after a crash at ${name}`).toEqual([])
      }
      stage = 'after all of them'
      if (bed.node().hasExited()) await bed.restartNode()
      await redriveAll(bed)
      await bed.publish(bedSource, events())
      await bed.allAnchored()
      await until(() => isAtRest(bed.pool))
      expect(await auditAtRest(bed.pool, bed)).toEqual([])
      expect(notReached, 'nothing came by here').toEqual([])
    })
  }
})

/** Where in the sources, and whose process it is that is killed there: the node's where no agent is named. */
type Place = { readonly name: string; readonly point: string; readonly agent?: AgentName }

/** Agents of all kinds share their steps, and come by each of them with other work in hand. */
function allPlaces(): Place[] {
  return crashPoints().flatMap((point): Place[] =>
    point.startsWith('agent.')
      ? stages.map(kind => ({ name: `${point} in north/${kind}`, point, agent: `north/${kind}` }))
      : [{ name: point, point }],
  )
}

/** False where everything was done without it. */
async function crashNodeAt(bed: AgentsBed, point: string): Promise<boolean> {
  const provocation = provocationOf(point)
  await bed.node().kill()
  const node = bed.launchNode({ ...(await provocation?.settings?.(bed)), ASSAY_CRASH_AT: point })
  // It may come by while it finishes what the one before it left.
  await node.ready().catch(() => undefined)
  try {
    await provocation?.begin?.(bed, () => bed.publish(bedSource, events()))
    for (let n = 0; n < BATCHES && !node.hasExited(); n++) {
      await bed.publish(bedSource, events()).catch(() => undefined)
      await until(
        async () =>
          node.hasExited() ||
          (provocation === undefined && (await isDone(bed)) && (await isAtRest(bed.pool))),
      )
    }
  } finally {
    await provocation?.end?.(bed)
  }
  return hasCrashed(node)
}

async function crashAgentAt(bed: AgentsBed, name: AgentName, point: string): Promise<boolean> {
  if (bed.node().hasExited()) await bed.restartNode()
  const agent = agentCalled(bed, name)
  await agent.child().kill()
  agent.restart({ ASSAY_CRASH_AT: point })
  const child = agent.child()
  // Whoever was not there is asked again after a while, and a round that needs nobody else goes on without it.
  for (let n = 0; n < AGENT_BATCHES && !child.hasExited(); n++) {
    await bed.publish(bedSource, events().slice(0, 1))
    await until(async () => child.hasExited() || ((await isDone(bed)) && (await isAtRest(bed.pool))))
  }
  const isGone = await hasCrashed(child)
  if (!isGone) await child.kill()
  agent.restart()
  return isGone
}

/** By the signal that it sends itself where it is to be killed: one that gives up by itself has not come by there. */
async function hasCrashed(child: Child): Promise<boolean> {
  if (!child.hasExited()) return false
  expect(await child.exited, child.said()).toEqual({ code: null, signal: 'SIGKILL' })
  return true
}

const AGENT_BATCHES = 60
const BATCHES = 3

describe('kill -9 at random moments', () => {
  let bed: AgentsBed | undefined
  afterEach(async () => bed?.stop(), 60_000)

  test(`of the node and of agents, ${kills} times: everything is certified once, as if nothing had happened`, {
    timeout: 120_000 + kills * 30_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const here = await agentsBed({ settings })
    bed = here
    onTestFailed(async () => void process.stderr.write(await here.describe()))
    for (let n = 0; n < kills; n++) {
      await here.publish(bedSource, events())
      await pause(choices.pick(momentMsMax))
      const victims = [...here.agents.values()].filter(() => choices.chance(15))
      for (const agent of victims) {
        await agent.child().kill()
        agent.restart()
      }
      if (victims.length === 0 || choices.chance(50)) {
        await here.node().kill()
        await here.restartNode()
      }
      expect(await auditAnytime(here.pool), `after kill ${n}`).toEqual([])
    }
    await here.allAnchored()
    await until(() => isAtRest(here.pool))
    expect(await auditAtRest(here.pool, here)).toEqual([])
  })
})

describe('kill -9 of PostgreSQL', () => {
  let bed: AgentsBed | undefined
  let server: EmbeddedServer | undefined
  const folder = mkdtempSync(join(tmpdir(), 'assay-killed-server-'))
  afterEach(async () => {
    await bed?.stop()
    await server?.stop({ evenIfInUse: true })
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  const postmaster = () => {
    const found = findPostmaster(realpathSync(join(folder, 'cluster')))
    return found.kind === 'running' && found.ready ? found.pid : undefined
  }

  test(`at random moments, ${serverKills} times, while rounds are under way: everything is certified once`, {
    timeout: 120_000 + serverKills * 30_000,
  }, async () => {
    const choices = choicesFrom(seed)
    server = await startEmbeddedServer({ dataDir: folder, log: silentLog })
    const here = await agentsBed({ settings, server: server.url })
    bed = here
    onTestFailed(async () => void process.stderr.write(await here.describe()))
    for (let n = 0; n < serverKills; n++) {
      const some = events()
      // The node may find out only now that its connections are gone.
      await until(() => here.publish(bedSource, some).then(isThere, isNotThere))
      await pause(choices.pick(momentMsMax))
      const pid = postmaster()
      if (pid === undefined) throw new Error('there is no PostgreSQL to kill')
      process.kill(pid, 'SIGKILL')
      await until(() => ![undefined, pid].includes(postmaster()))
      await until(() => here.progress().then(isThere, isNotThere))
      expect(await auditAnytime(here.pool), `after kill ${n}`).toEqual([])
    }
    await here.publish(bedSource, events())
    await here.allAnchored()
    await until(() => isAtRest(here.pool))
    expect(await auditAtRest(here.pool, here)).toEqual([])
    expect(here.node().hasExited()).toBe(false)
  })
})

const isThere = () => true
const isNotThere = () => false

describe('two coordinators on one database', () => {
  let bed: AgentsBed | undefined
  afterEach(async () => bed?.stop(), 60_000)

  test('share the rounds; one that is stopped, or killed, leaves nothing behind that the other does not finish', {
    timeout: 240_000,
  }, async () => {
    // Several partitions, and no room for all of them at one node.
    const streams = ['one', 'two', 'three', 'four']
    const sources = streams.map(id => ({ id, type: 'webhook', shape: 'overlay', streams: [id] }))
    const here = await agentsBed({ settings: { ...settings, ROUNDS_AT_ONCE_MAX: '1' }, sources })
    bed = here
    onTestFailed(async () => void process.stderr.write(await here.describe()))
    const other = await here.anotherNode({ ROUNDS_AT_ONCE_MAX: '1' })
    await until(async () => {
      for (const source of streams) await here.publish(source, events())
      await here.allAnchored()
      return (await stepsBy(here.node())) > 0 && (await stepsBy(other)) > 0
    })

    for (const source of streams) await here.publish(source, events())
    here.node().signal('SIGTERM')
    await here.node().exited
    await here.allAnchored()

    await here.restartNode()
    for (const source of streams) await here.publish(source, events())
    await other.kill()
    await here.allAnchored()
    await until(() => isAtRest(here.pool))
    expect(await auditAtRest(here.pool, here)).toEqual([])
  })
})

/** Steps of rounds that this process has taken. */
async function stepsBy({ url }: ChildNode): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return [...text.matchAll(/^assay_round_steps_total\S* (\d+)$/gm)].reduce(
    (sum, [, steps]) => sum + Number(steps),
    0,
  )
}

async function isDone(bed: AgentsBed): Promise<boolean> {
  const { events, anchored } = await bed.progress()
  return events > 0 && anchored === events
}

function agentCalled(bed: AgentsBed, name: AgentName): AgentProcess {
  const agent = bed.agents.get(name)
  if (agent === undefined) throw new Error(`${name} is none of ${agentNames}`)
  return agent
}
