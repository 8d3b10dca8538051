import { EventsLookupService } from '../../lookup-services/events.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { postgresEventsIndex } from '../adapters/indexes/events-index.ts'
import type { Hosted } from '../adapters/overlay/hosted.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { baseLookupServices, baseTopics } from '../contract/names.ts'

/** What this node hosts. */
export function hostedTopics({ pool }: Database): Hosted {
  const index = postgresEventsIndex(pool)
  return {
    managers: { [baseTopics.ingest]: new EventsIngestTopicManager() },
    services: {
      [baseLookupServices.events]: Object.assign(new EventsLookupService(index), { reset: index.reset }),
    },
  }
}
