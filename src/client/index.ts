/** For whoever sends events to a node, or follows them, in Node and in a browser: docs/client.md. */

export {
  type HeaderChain,
  headerChain,
  type ProofLevel,
  readHeadersFile,
  type Trust,
} from '../contract/verify.ts'
export type { Destination } from './publish/batch-body.ts'
export type { ItemOutcome } from './publish/item-outcome.ts'
export {
  type BatchBounds,
  openPublisher,
  PublishError,
  type Publisher,
  type PublisherOptions,
} from './publish/publisher.ts'
export type { SignedFetch, Signing } from './publish/signing.ts'
export type { Refusal } from './refusal.ts'
export { ConnectionLost } from './subscribe/connection.ts'
export type { Get } from './subscribe/fetch-packet.ts'
export type { Filter } from './subscribe/filter.ts'
export type { Item, Refused, SubscriptionState } from './subscribe/follow.ts'
export type { EventsMessage, WatchMessage } from './subscribe/messages.ts'
export type { PositionStore } from './subscribe/position-store.ts'
export {
  type SubscribeOptions,
  type Subscription,
  subscribe,
  VerifyError,
  type VerifyOptions,
  type WatchOptions,
  watch,
} from './subscribe/subscription.ts'
export type { Checked, RefusalCode } from './subscribe/verify-as-you-read.ts'
