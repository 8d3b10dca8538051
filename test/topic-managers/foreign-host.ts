import { Engine } from '@bsv/overlay'
import type { ChainTracker } from '@bsv/sdk'
import { AgentsLookupService } from '../../lookup-services/agents.ts'
import { EventsLookupService } from '../../lookup-services/events.ts'
import { HostAdvertsLookupService } from '../../lookup-services/host-adverts.ts'
import { UhrpLookupService } from '../../lookup-services/uhrp.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { hashText } from '../../src/contract/transaction.ts'
import { AgentsTopicManager } from '../../topic-managers/agents.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { HostAdvertsTopicManager } from '../../topic-managers/host-adverts.ts'
import { UhrpTopicManager } from '../../topic-managers/uhrp.ts'
import {
  inMemoryAgentsIndex,
  inMemoryHostAdvertsIndex,
  inMemoryUhrpIndex,
} from '../lookup-services/in-memory-advert-indexes.ts'
import { inMemoryEventsIndex } from '../lookup-services/in-memory-events-index.ts'
import type { PrivateChain } from '../support/private-chain.ts'

type HostStorage = Engine['storage']
type HostOutput = Parameters<HostStorage['insertOutput']>[0]

/** An overlay node of somebody else: the stock engine, a storage and indexes of its own, and ours mounted. */
export function foreignHost(chain: PrivateChain, now: () => number): Engine {
  const hosts = inMemoryHostAdvertsIndex(now)
  const managers = {
    [baseTopics.ingest]: new EventsIngestTopicManager(),
    [baseTopics.ship]: new HostAdvertsTopicManager('SHIP'),
    [baseTopics.slap]: new HostAdvertsTopicManager('SLAP'),
    [baseTopics.uhrp]: new UhrpTopicManager(),
    [baseTopics.agents]: new AgentsTopicManager(),
  }
  const services = {
    [baseLookupServices.events]: new EventsLookupService(inMemoryEventsIndex(now)),
    [baseLookupServices.ship]: new HostAdvertsLookupService('SHIP', hosts),
    [baseLookupServices.slap]: new HostAdvertsLookupService('SLAP', hosts),
    [baseLookupServices.uhrp]: new UhrpLookupService(inMemoryUhrpIndex(), { now }),
    [baseLookupServices.agents]: new AgentsLookupService(inMemoryAgentsIndex(now), { now }),
  }
  const noSync = Object.fromEntries(Object.keys(managers).map((topic): [string, false] => [topic, false]))
  return new Engine(
    managers,
    services,
    hostStorage(),
    trackerOf(chain),
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    noSync,
  )
}

function trackerOf(chain: PrivateChain): ChainTracker {
  return {
    async isValidRootForHeight(root, height) {
      const known = chain.headers().rootAt(height)
      return known !== undefined && hashText(known) === root
    },
    async currentHeight() {
      return chain.headers().tipHeight
    },
  }
}

function hostStorage(): HostStorage {
  let outputs: HostOutput[] = []
  const applied = new Set<string>()
  const find = (txid: string, outputIndex: number, topic?: string) =>
    outputs.find(
      each =>
        each.txid === txid &&
        each.outputIndex === outputIndex &&
        (topic === undefined || each.topic === topic),
    )
  return {
    async insertOutput(output) {
      outputs.push(output)
    },
    async findOutput(txid, outputIndex, topic) {
      return find(txid, outputIndex, topic) ?? null
    },
    async findOutputsForTransaction(txid) {
      return outputs.filter(each => each.txid === txid)
    },
    async findUTXOsForTopic(topic) {
      return outputs.filter(each => each.topic === topic && !each.spent)
    },
    async deleteOutput(txid, outputIndex, topic) {
      const gone = find(txid, outputIndex, topic)
      outputs = outputs.filter(each => each !== gone)
    },
    async markUTXOAsSpent(txid, outputIndex, topic) {
      const output = find(txid, outputIndex, topic)
      if (output !== undefined) output.spent = true
    },
    async updateConsumedBy(txid, outputIndex, topic, consumedBy) {
      const output = find(txid, outputIndex, topic)
      if (output !== undefined) output.consumedBy = consumedBy
    },
    async updateTransactionBEEF(txid, beef) {
      for (const output of outputs) if (output.txid === txid) output.beef = beef
    },
    async insertAppliedTransaction({ txid, topic }) {
      applied.add(`${topic} ${txid}`)
    },
    async doesAppliedTransactionExist({ txid, topic }) {
      return applied.has(`${topic} ${txid}`)
    },
    async updateLastInteraction() {},
    async getLastInteraction() {
      return 0
    },
  }
}
