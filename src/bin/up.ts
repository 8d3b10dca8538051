import path from 'node:path'
import * as z from 'zod'
import { agentSettingList } from '../../agents/kit/settings.ts'
import type { RunningNode } from '../node.ts'
import type { Log } from '../runtime/log.ts'
import { readSettings, type Settings, SettingsError } from '../runtime/settings.ts'
import { explain } from './explain.ts'
import { type HouseAgent, houseAgents } from './house-agents.ts'
import { keepRunning } from './keep-running.ts'
import { type Company, runNode } from './run-node.ts'

/**
 * Everything on one machine: a node, and agents of three operators, each agent a process of its own. Where operators are
 * listed, or packets are not to go to agents, the node alone.
 */
export async function up(): Promise<number> {
  try {
    const settings = readSettings(process.env)
    if (!wantsAgents(settings)) return await runNode()
    const agents = await houseAgents(path.resolve(settings.ASSAY_DATA_DIR, 'agents'), Date.now())
    const operators = [...new Set(agents.map(({ operator }) => operator))]
    const ours = { EVENT_OPERATORS: operators.join(','), EVENT_OPERATORS_SIMULATED: 'true' }
    return await runNode({ ...process.env, ...ours }, (node, _, log) => startAgents(agents, node, log))
  } catch (error) {
    console.error(error instanceof SettingsError ? `assay: ${error.message}` : `assay: ${explain(error)}`)
    return 1
  }
}

function wantsAgents(settings: Settings): boolean {
  return (
    settings.EVENT_OPERATORS.length === 0 &&
    settings.BRC22_JOB_ORCHESTRATION_ENABLED &&
    settings.EVENT_PROCESSING_AGENTS_ENABLED
  )
}

async function startAgents(agents: readonly HouseAgent[], node: RunningNode, log: Log): Promise<Company> {
  const logKey = await logKeyOf(node.url)
  // Elsewhere nobody admits an advert with an address of this machine.
  const how = node.network === 'local' ? [] : ['--subscribe']
  const running = agents.map(({ name, kind, keyFile, operatorFile }) =>
    keepRunning(name, ['agent', kind, '--with-parent', ...how], log, {
      ...forAgents(),
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
