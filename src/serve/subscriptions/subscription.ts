import type { FilterCriteria } from './filter-criteria.ts'

/** `overlay` is none: a host is told of certificates by its advert of a topic (docs/subscriptions.md). */
export const subscriptionTypes = ['sse', 'websocket', 'webhook'] as const
export type SubscriptionType = (typeof subscriptionTypes)[number]

export const subscriptionStatuses = ['active', 'paused', 'expired'] as const
export type SubscriptionStatus = (typeof subscriptionStatuses)[number]

/** Why one is paused or expired. */
export type StatusReason =
  /** Its owner has said so. */
  | 'owner'
  /** The schedule of tries is over. What it is owed waits for its owner. */
  | 'undeliverable'
  /** One message after the other was refused: that is not about messages any more. */
  | 'refusing'
  /** The receiver has not consented to be sent anything. */
  | 'no-consent'
  /** More is set aside than is kept. */
  | 'dead-letters-full'
  /** More partitions than one position has room for. */
  | 'too-many-partitions'
  /** The receiver has answered that it is gone for good. */
  | 'gone'
  /** Its time is over. */
  | 'time'

/** A stored view of certified events. */
export type Subscription = {
  readonly subscriptionId: string
  readonly clientId: string
  readonly type: SubscriptionType
  readonly topics: readonly string[]
  readonly filter: FilterCriteria
  readonly ownerKey: string
  readonly status: SubscriptionStatus
  readonly reason: StatusReason | null
  readonly lastActivityMs: number
  readonly expiresMs: number | null
  readonly createdMs: number
  /** What comes next, as those who follow live events have it. */
  readonly position: string
  readonly webhook: Webhook | null
}

export type Webhook = {
  readonly callbackUrl: string
  readonly consent: 'pending' | 'given'
  readonly ratePerMinute: number | null
  readonly batchMax: number
  readonly failingSinceMs: number | null
  readonly nextTryMs: number
  readonly attempts: number
  readonly lastError: string | null
  readonly delivered: number
}
