import { agentAdvertIn } from '../src/contract/agent-advert.ts'
import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { utf8 } from '../src/core/bytes.ts'
import { agentsLookupDocumentation } from './agents-documentation.ts'
import type { AgentEntry, AgentsIndex, ListedAgent } from './agents-index.ts'
import { readAgentsQuery } from './agents-query.ts'
import { cursorOf } from './cursor.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
  type UnspentOutput,
} from './lookup-service.ts'

export type AgentsLookupOptions = {
  /** Milliseconds; what has expired by then is left out unless it is asked for. */
  now(): number
  readonly informationUrl?: string
}

/** `ls_gitdata_agents`: finds agents by what they can do, who answers for them, where they are and what they ask. */
export class AgentsLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart = true
  readonly #index: AgentsIndex
  readonly #options: AgentsLookupOptions

  constructor(index: AgentsIndex, options: AgentsLookupOptions) {
    this.#index = index
    this.#options = options
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    const advert = advertIn(output)
    if (advert !== undefined) await this.#index.put(advert)
  }

  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && spend.topic === topic)
      await this.#index.markSpent({ txid: spend.txid, vout: spend.outputIndex }, spend.spendingTxid)
  }

  async outputUnspent(output: UnspentOutput): Promise<void> {
    if (output.topic === topic)
      await this.#index.markUnspent({ txid: output.txid, vout: output.outputIndex }, output.spendingTxid)
  }

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, of: string): Promise<void> {
    if (of === topic) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const found = await this.#index.find(readAgentsQuery(service, query, this.#options.now()))
    return found.map(agent => ({ txid: agent.txid, outputIndex: agent.vout, context: contextOf(agent) }))
  }

  async getDocumentation(): Promise<string> {
    return agentsLookupDocumentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    const { informationUrl } = this.#options
    return {
      name: 'Agents',
      shortDescription: 'Finds agents by capability, operator, region and price.',
      version: '1.0.0',
      ...(informationUrl !== undefined && { informationURL: informationUrl }),
    }
  }
}

const topic = baseTopics.agents
const service = baseLookupServices.agents

function advertIn(output: AdmittedOutput): AgentEntry | undefined {
  if (output.mode !== 'locking-script' || output.topic !== topic) return undefined
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
