import { agentAdvertIn } from '../src/contract/agent-advert.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { utf8 } from '../src/core/bytes.ts'
import { agentsLookupDocumentation } from './agents-documentation.ts'
import type { AgentEntry, AgentsIndex, ListedAgent } from './agents-index.ts'
import { readAgentsQuery } from './agents-query.ts'
import { cursorOf } from './cursor.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'

export type AgentsLookupOptions = {
  /** Milliseconds; what has expired by then is left out unless it is asked for. */
  now(): number
  readonly informationUrl?: string
}

/** `ls_gitdata_agents`: finds agents by what they can do, who answers for them, where they are and what they ask. */
export class AgentsLookupService extends ListingService<AgentEntry> {
  constructor(index: AgentsIndex, { now, informationUrl }: AgentsLookupOptions) {
    super({
      topics: [baseTopics.agents],
      index,
      entryIn: advertIn,
      find: async query => {
        const found = await index.find(readAgentsQuery(baseLookupServices.agents, query, now()))
        return found.map(agent => ({ txid: agent.txid, outputIndex: agent.vout, context: contextOf(agent) }))
      },
      answersInPart: true,
      documentation: agentsLookupDocumentation,
      name: 'Agents',
      shortDescription: 'Finds agents by capability, operator, region and price.',
      informationUrl,
    })
  }
}

function advertIn(output: AdmittedScript): AgentEntry | undefined {
  const token = agentAdvertIn(scriptOf(output))
  if (token === undefined) return undefined
  const { operatorSig: _, ...said } = token.body
  return { txid: output.txid, vout: output.outputIndex, agentKey: token.issuer, ...said }
}

/** The advert as agents and nodes show it to each other, and what this host knows of it. */
function contextOf(agent: ListedAgent): number[] {
  const { agentKey, operator, operatorFromMs, operatorToMs, capabilities, endpoints } = agent
  const { packetsMax, bytesMax, satoshisPerThousandEvents, region, expiresMs, admittedMs, spent } = agent
  const advert = {
    ...{ agentKey, operator, operatorFromMs, operatorToMs, capabilities, endpoints },
    ...{ packetsMax, bytesMax, satoshisPerThousandEvents, region, expiresMs },
  }
  return [...utf8(JSON.stringify({ admittedMs, cursor: cursorOf(agent), ...advert, spent }))]
}
