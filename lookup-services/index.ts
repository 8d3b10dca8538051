/** For hosts that mount our lookup services, over an index of their own. */
export { type AgentsLookupOptions, AgentsLookupService } from './agents.ts'
export type { AgentEntry, AgentsIndex, AgentsQuery, ListedAgent } from './agents-index.ts'
export { AGENTS_LOOKUP_LIMIT_DEFAULT, AGENTS_LOOKUP_LIMIT_MAX } from './agents-query.ts'
export { CertificatesLookupService } from './certificates.ts'
export type {
  CertificateEntry,
  CertificatesIndex,
  CertificatesQuery,
  FoundCertificate,
  ListedCertificate,
  ManifestPlace,
} from './certificates-index.ts'
export {
  CERTIFICATES_LOOKUP_LIMIT_DEFAULT,
  CERTIFICATES_LOOKUP_LIMIT_MAX,
} from './certificates-query.ts'
export type { ListPosition } from './cursor.ts'
export { EventsLookupService } from './events.ts'
export type { EventBatchEntry, EventsIndex, EventsQuery, ListedBatch } from './events-index.ts'
export { EVENTS_LOOKUP_LIMIT_DEFAULT, EVENTS_LOOKUP_LIMIT_MAX } from './events-query.ts'
export { HostAdvertsLookupService } from './host-adverts.ts'
export type { HostAdvertEntry, HostAdvertsIndex, HostAdvertsQuery } from './host-adverts-index.ts'
export {
  HOST_LOOKUP_LIMIT_DEFAULT,
  HOST_LOOKUP_LIMIT_MAX,
  HOST_LOOKUP_TOPICS_MAX,
} from './host-adverts-query.ts'
export { InvalidQuery } from './invalid-query.ts'
export { JobsLookupService } from './jobs.ts'
export type { JobEntry, JobKind, JobsIndex, JobsQuery, ListedJob } from './jobs-index.ts'
export { JOBS_LOOKUP_LIMIT_DEFAULT, JOBS_LOOKUP_LIMIT_MAX } from './jobs-query.ts'
export type { LookupService } from './lookup-service.ts'
export { type UhrpLookupOptions, UhrpLookupService } from './uhrp.ts'
export type { UhrpEntry, UhrpIndex, UhrpQuery } from './uhrp-index.ts'
export { UHRP_LOOKUP_LIMIT_DEFAULT, UHRP_LOOKUP_LIMIT_MAX } from './uhrp-query.ts'
