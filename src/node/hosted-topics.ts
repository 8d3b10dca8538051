import { AgentsLookupService } from '../../lookup-services/agents.ts'
import { CertificatesLookupService } from '../../lookup-services/certificates.ts'
import { EventsLookupService } from '../../lookup-services/events.ts'
import { HostAdvertsLookupService } from '../../lookup-services/host-adverts.ts'
import { JobsLookupService } from '../../lookup-services/jobs.ts'
import { UhrpLookupService } from '../../lookup-services/uhrp.ts'
import { AgentsTopicManager } from '../../topic-managers/agents.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { HostAdvertsTopicManager } from '../../topic-managers/host-adverts.ts'
import { PipelineTopicManager } from '../../topic-managers/pipeline.ts'
import { UhrpTopicManager } from '../../topic-managers/uhrp.ts'
import { postgresAgentsIndex } from '../adapters/indexes/agents-index.ts'
import { postgresCertificatesIndex } from '../adapters/indexes/certificates-index.ts'
import { postgresEventsIndex } from '../adapters/indexes/events-index.ts'
import { postgresHostAdvertsIndex } from '../adapters/indexes/host-adverts-index.ts'
import { postgresJobsIndex } from '../adapters/indexes/jobs-index.ts'
import { postgresUhrpIndex } from '../adapters/indexes/uhrp-index.ts'
import type { Hosted, HostedService } from '../adapters/overlay/hosted.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { baseLookupServices, baseTopics } from '../contract/names.ts'
import type { Network } from '../core/network.ts'
import type { Template } from '../core/rounds/template.ts'

export type HostedTopicsOptions = {
  /** On `local`, adverts may name addresses that nobody else can reach. */
  readonly network?: Network
  /** Whose jobs and certificates are admitted, and who may sit in their quorums; everybody where there is no list. */
  readonly coordinators?: readonly string[]
  readonly operators?: readonly string[]
  /** Kinds of work that are admitted; all where there is no list. */
  readonly templates?: readonly Template[]
  now?(): number
}

/** What this node hosts. */
export function hostedTopics(
  { pool, questions }: Pick<Database, 'pool' | 'questions'>,
  { network = 'local', now = Date.now, ...pipeline }: HostedTopicsOptions = {},
): Hosted {
  const adverts = { allowLocal: network === 'local' }
  const events = postgresEventsIndex(pool, questions)
  const hosts = postgresHostAdvertsIndex(pool, questions)
  const content = postgresUhrpIndex(pool, questions)
  const agents = postgresAgentsIndex(pool, questions)
  const jobs = postgresJobsIndex(pool, questions)
  const certificates = postgresCertificatesIndex(pool, questions)
  return {
    managers: {
      [baseTopics.ingest]: new EventsIngestTopicManager(),
      [baseTopics.normalize]: new PipelineTopicManager('normalize', pipeline),
      [baseTopics.validate]: new PipelineTopicManager('validate', pipeline),
      [baseTopics.certify]: new PipelineTopicManager('certify', pipeline),
      [baseTopics.certified]: new PipelineTopicManager('certified', pipeline),
      [baseTopics.ship]: new HostAdvertsTopicManager('SHIP', adverts),
      [baseTopics.slap]: new HostAdvertsTopicManager('SLAP', adverts),
      [baseTopics.uhrp]: new UhrpTopicManager(adverts),
      [baseTopics.agents]: new AgentsTopicManager(adverts),
    },
    services: {
      [baseLookupServices.events]: resettable(new EventsLookupService(events), events.reset),
      [baseLookupServices.jobs]: resettable(new JobsLookupService(jobs), jobs.reset),
      [baseLookupServices.certificates]: resettable(
        new CertificatesLookupService(certificates),
        certificates.reset,
      ),
      [baseLookupServices.ship]: resettable(new HostAdvertsLookupService('SHIP', hosts), () =>
        hosts.reset('SHIP'),
      ),
      [baseLookupServices.slap]: resettable(new HostAdvertsLookupService('SLAP', hosts), () =>
        hosts.reset('SLAP'),
      ),
      [baseLookupServices.uhrp]: resettable(new UhrpLookupService(content, { now }), content.reset),
      [baseLookupServices.agents]: resettable(new AgentsLookupService(agents, { now }), agents.reset),
    },
  }
}

function resettable<Service extends HostedService>(
  service: Service,
  reset: () => Promise<void>,
): HostedService {
  return Object.assign(service, { reset })
}
