import { agentAdvertIn } from '../src/contract/agent-advert.ts'
import { readEndpoint } from '../src/contract/host-address.ts'
import { tagOf } from '../src/contract/tokens.ts'
import { isSettledForm } from '../src/contract/transaction.ts'
import { AdvertTopicManager, type AdvertTopicOptions } from './advert-topic.ts'
import { agentsDocumentation } from './agents-documentation.ts'

/** `tm_gitdata_agents`: what agents can do, who answers for them, where they are and what they ask. */
export class AgentsTopicManager extends AdvertTopicManager {
  constructor(options?: AdvertTopicOptions) {
    super(
      {
        means: script => tagOf(script) === 'GDA1',
        isSound: (script, { allowLocal }) =>
          agentAdvertIn(script)?.body.endpoints.every(url => {
            const endpoint = readEndpoint(url)
            return endpoint !== undefined && (allowLocal || !endpoint.isLocal)
          }) ?? false,
        takes: isSettledForm,
        // A withdrawn advert stays on record: jobs were given out on it.
        keepsHistory: true,
        documentation: agentsDocumentation,
        metaData: {
          name: 'Agents',
          shortDescription: 'Takes adverts of agents: capability, operator, endpoints, price and limits.',
          version: '1.0.0',
        },
      },
      options,
    )
  }
}
