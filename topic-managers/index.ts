/** For hosts that mount our topics in an engine of their own. */
export {
  BATCHES_PER_TRANSACTION_MAX,
  type EventsIngestOptions,
  EventsIngestTopicManager,
} from './events-ingest.ts'
export type { AdmittanceInstructions, TopicManager, TopicMetaData } from './topic-manager.ts'
