/** For hosts that mount our topics in an engine of their own. */
export { ADVERTS_PER_TRANSACTION_MAX, type AdvertTopicOptions } from './advert-topic.ts'
export { AgentsTopicManager } from './agents.ts'
export {
  BATCHES_PER_TRANSACTION_MAX,
  type EventsIngestOptions,
  EventsIngestTopicManager,
} from './events-ingest.ts'
export { HostAdvertsTopicManager } from './host-adverts.ts'
export { PipelineTopicManager } from './pipeline.ts'
export type { PipelineTopic, PipelineTopicOptions } from './pipeline-options.ts'
export type { AdmittanceInstructions, TopicManager, TopicMetaData } from './topic-manager.ts'
export { UhrpTopicManager } from './uhrp.ts'
