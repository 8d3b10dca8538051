import type { ShownDeadLetter } from '../../adapters/subscriptions/changes.ts'
import type { Subscription } from '../../serve/subscriptions/subscription.ts'

/** As its owner is shown it; never with a secret. */
export function shownSubscription(subscription: Subscription) {
  const { subscriptionId, clientId, type, topics, filter, ownerKey, status, reason, webhook } = subscription
  return {
    ...{ subscriptionId, clientId, type, topics, filter, status, reason },
    clientIdentityKey: ownerKey,
    lastActivityAt: iso(subscription.lastActivityMs),
    expiresAt: iso(subscription.expiresMs),
    createdAt: iso(subscription.createdMs),
    position: subscription.position,
    webhook: webhook && {
      callbackUrl: webhook.callbackUrl,
      consent: webhook.consent,
      allowedPerMinute: webhook.ratePerMinute,
      batchMax: webhook.batchMax,
      delivered: webhook.delivered,
      failingSince: iso(webhook.failingSinceMs),
      attempts: webhook.attempts,
      nextTryAt: webhook.failingSinceMs === null ? null : iso(webhook.nextTryMs),
      lastError: webhook.lastError,
    },
  }
}

export function shownDeadLetter(letter: ShownDeadLetter) {
  const { number, webhookId, eventIds, refusedMs, status, lastError, redeliverMs } = letter
  return {
    number: String(number),
    ...{ webhookId, eventIds, refusedAt: iso(refusedMs), status, lastError },
    isBeingRedelivered: redeliverMs !== null,
  }
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
