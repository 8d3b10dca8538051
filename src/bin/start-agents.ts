import * as z from 'zod'
import { agentSettingList } from '../../agents/kit/settings.ts'
import type { RunningNode } from '../node.ts'
import type { Log } from '../runtime/log.ts'
import { pause } from '../runtime/pause.ts'
import type { HouseAgent } from './house-agents.ts'
import { keepRunning } from './keep-running.ts'
import type { Company } from './run-node.ts'

/** The agents that come with a node, each a process that is kept running until it is stopped. */
export async function startAgents(
  agents: readonly HouseAgent[],
  node: RunningNode,
  log: Log,
  logLevel: string,
): Promise<Company> {
  const logKey = await logKeyOf(node.url)
  // Elsewhere nobody admits an advert with an address of this machine.
  const how = node.network === 'local' ? [] : ['--subscribe']
  const running = agents.map(({ name, kind, keyFile, operatorFile }) =>
    keepRunning(name, ['agent', kind, '--with-parent', ...how], log, {
      ...forAgents(),
      LOG_LEVEL: logLevel,
      AGENT_NODES: node.url,
      AGENT_LOGS: logKey,
      AGENT_KEY_FILE: keyFile,
      AGENT_OPERATOR_FILE: operatorFile,
    }),
  )
  return {
    said: [
      `  agents    ${agents.length} processes of three operators, all of them yours: what they agree on, one person's`,
      '            programs agree on (independence: "simulated"). EVENT_OPERATORS lists others instead.',
    ],
    async stop() {
      await Promise.all(running.map(each => each.stop()))
    },
  }
}

/** So long they may take to say that they are here; whoever waits may also look at /agents. */
const THERE_MS_MAX = 60_000
const LOOK_MS = 250
const agentsAnswer = z.object({
  agents: z.array(z.object({ operator: z.string(), reachable: z.boolean() })),
})

/** Resolves once so many agents of these operators can be given work, or it has been waited for long enough. */
export async function agentsThere(
  url: string,
  operators: readonly string[],
  count: number,
  stop: AbortSignal,
): Promise<void> {
  const givenUpMs = performance.now() + THERE_MS_MAX
  while (!stop.aborted && performance.now() < givenUpMs) {
    const { agents } = agentsAnswer.parse(await (await fetch(`${url}/agents`)).json())
    const there = agents.filter(({ operator, reachable }) => reachable && operators.includes(operator))
    if (there.length >= count) return
    await pause(LOOK_MS, stop)
  }
}

/** Set for all of them; where each is found is its own. */
function forAgents(): Record<string, string> {
  const common = agentSettingList.map(({ name }) => name).filter(name => !ownOfEach.has(name))
  return Object.fromEntries(
    common.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

const ownOfEach: ReadonlySet<string> = new Set(['AGENT_PORT', 'AGENT_PUBLIC_URL'])

async function logKeyOf(url: string): Promise<string> {
  const response = await fetch(`${url}/identity`)
  return z.object({ logKey: z.string() }).parse(await response.json()).logKey
}
