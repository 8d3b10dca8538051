import { describe, expect, test } from 'vitest'
import { AgentsLookupService } from '../../lookup-services/agents.ts'
import { CertificatesLookupService } from '../../lookup-services/certificates.ts'
import { EventsLookupService } from '../../lookup-services/events.ts'
import { HostAdvertsLookupService } from '../../lookup-services/host-adverts.ts'
import { JobsLookupService } from '../../lookup-services/jobs.ts'
import { UhrpLookupService } from '../../lookup-services/uhrp.ts'
import { isObject, type Json } from '../../src/core/canonical-json.ts'
import { AgentsTopicManager } from '../../topic-managers/agents.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { HostAdvertsTopicManager } from '../../topic-managers/host-adverts.ts'
import { PipelineTopicManager } from '../../topic-managers/pipeline.ts'
import type { PipelineTopic } from '../../topic-managers/pipeline-options.ts'
import type { TopicManager } from '../../topic-managers/topic-manager.ts'
import { UhrpTopicManager } from '../../topic-managers/uhrp.ts'
import {
  inMemoryAgentsIndex,
  inMemoryHostAdvertsIndex,
  inMemoryUhrpIndex,
} from '../lookup-services/in-memory-advert-indexes.ts'
import { inMemoryEventsIndex } from '../lookup-services/in-memory-events-index.ts'
import {
  inMemoryCertificatesIndex,
  inMemoryJobsIndex,
} from '../lookup-services/in-memory-pipeline-indexes.ts'
import { agentAdvertScript } from '../support/agent-adverts.ts'
import { party } from '../support/pipeline.ts'
import { batchToken } from './batch-transactions.ts'

const now = () => 1000
const bounds = { advertsMax: 3, beefBytesMax: 67_890 }
const said = ['at most 3 adverts', '67,890 bytes']

const pipeline = (topic: PipelineTopic) => ({
  usual: new PipelineTopicManager(topic),
  tight: new PipelineTopicManager(topic, {
    templates: ['packet'],
    coordinators: [party('log').identityKey],
    operators: [],
    beefBytesMax: 67_890,
  }),
  states: ['67,890 bytes', party('log').identityKey, 'operators: nobody', 'templates: `packet`\n'],
})

/** With the default bounds, and with others that the page must state. */
const managers: Record<string, { usual: TopicManager; tight: TopicManager; states: readonly string[] }> = {
  tm_gitdata_events_ingest: {
    usual: new EventsIngestTopicManager(),
    tight: new EventsIngestTopicManager({ batchesMax: 3, offChainBytesMax: 12_345, beefBytesMax: 67_890 }),
    states: ['at most 3 batches', '12,345 bytes', '67,890 bytes'],
  },
  tm_gitdata_events_normalize: pipeline('normalize'),
  tm_gitdata_events_validate: pipeline('validate'),
  tm_gitdata_events_certify: pipeline('certify'),
  tm_gitdata_events_certified: pipeline('certified'),
  tm_gitdata_agents: {
    usual: new AgentsTopicManager(),
    tight: new AgentsTopicManager(bounds),
    states: said,
  },
  tm_ship: {
    usual: new HostAdvertsTopicManager('SHIP'),
    tight: new HostAdvertsTopicManager('SHIP', bounds),
    states: said,
  },
  tm_slap: {
    usual: new HostAdvertsTopicManager('SLAP'),
    tight: new HostAdvertsTopicManager('SLAP', { ...bounds, allowLocal: true }),
    states: [...said, 'for tests at home'],
  },
  tm_uhrp: { usual: new UhrpTopicManager(), tight: new UhrpTopicManager(bounds), states: said },
}

const services = {
  ls_gitdata_events: new EventsLookupService(inMemoryEventsIndex(now)),
  ls_gitdata_jobs: new JobsLookupService(inMemoryJobsIndex(now)),
  ls_gitdata_certificates: new CertificatesLookupService(inMemoryCertificatesIndex(now)),
  ls_gitdata_agents: new AgentsLookupService(inMemoryAgentsIndex(now), { now }),
  ls_ship: new HostAdvertsLookupService('SHIP', inMemoryHostAdvertsIndex(now)),
  ls_slap: new HostAdvertsLookupService('SLAP', inMemoryHostAdvertsIndex(now)),
  ls_uhrp: new UhrpLookupService(inMemoryUhrpIndex(), { now }),
}

// The pages are written anew from the code with: npx vitest run test/topic-managers/documentation.test.ts --update
describe.each(Object.entries(managers))('the documentation of %s', (name, { usual, tight, states }) => {
  test('is the page in docs/topics', async () => {
    await expect(await usual.getDocumentation()).toMatchFileSnapshot(`../../docs/topics/${name}.md`)
  })

  test('states the bounds of the host that serves it', async () => {
    const page = await tight.getDocumentation()
    for (const bound of states) expect(page).toContain(bound)
  })
})

describe.each(Object.entries(services))('the documentation of %s', (name, service) => {
  test('is the page in docs/topics', async () => {
    await expect(await service.getDocumentation()).toMatchFileSnapshot(`../../docs/topics/${name}.md`)
  })

  test('asks in its example as the service is asked', async () => {
    const [query] = await examplesOf(service)
    expect(await service.lookup({ service: name, query })).toEqual([])
  })

  test('names every member that a query may have', async () => {
    const page = await service.getDocumentation()
    const refusal = await service
      .lookup({ service: name, query: { zzz: 1 } })
      .catch((error: Error) => error.message)
    const [, known = ''] = /known are ([\w, ]+)/.exec(String(refusal)) ?? []
    expect(known.split(', ').length).toBeGreaterThan(5)
    for (const member of known.split(', ')) expect(page).toMatch(new RegExp(`[\`"]${member}[\`"]`))
  })
})

describe('a context', () => {
  test.each([
    ['ls_gitdata_events', 'tm_gitdata_events_ingest', batchToken().script],
    ['ls_gitdata_agents', 'tm_gitdata_agents', agentAdvertScript()],
  ] as const)('of %s has the members that its page shows', async (name, topic, script) => {
    const service = services[name]
    await service.outputAdmittedByTopic({
      mode: 'locking-script',
      txid: '00'.repeat(32),
      outputIndex: 0,
      topic,
      lockingScript: { toBinary: () => script },
    })
    const [answer] = await service.lookup({ service: name, query: {} })
    const said: Json = JSON.parse(Buffer.from(answer?.context ?? []).toString('utf8'))
    const [, context] = await examplesOf(service)
    expect(membersOf(said)).toEqual(membersOf(context))
  })
})

async function examplesOf(service: { getDocumentation(): Promise<string> }): Promise<Json[]> {
  const page = await service.getDocumentation()
  return [...page.matchAll(/```json\n(.*)\n```/g)].map(([, text]): Json => JSON.parse(text ?? ''))
}

function membersOf(value: Json | undefined): string[] {
  return isObject(value) ? Object.keys(value) : []
}
