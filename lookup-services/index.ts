/** For hosts that mount our lookup services, over an index of their own. */
export { EventsLookupService } from './events.ts'
export type { EventBatchEntry, EventsIndex, EventsQuery, ListedBatch, ListPosition } from './events-index.ts'
export { EVENTS_LOOKUP_LIMIT_DEFAULT, EVENTS_LOOKUP_LIMIT_MAX } from './events-query.ts'
export { InvalidQuery } from './invalid-query.ts'
export type { LookupService } from './lookup-service.ts'
