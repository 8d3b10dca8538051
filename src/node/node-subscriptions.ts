import { randomUUID } from 'node:crypto'
import type { Request } from 'express'
import { openOutgoing } from '../adapters/outgoing/outgoing.ts'
import { HostRests } from '../adapters/overlay/host-rests.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { openAskConsent, openPostWebhook } from '../adapters/subscriptions/call-webhook.ts'
import { openSubscriptionChanges } from '../adapters/subscriptions/changes.ts'
import { openDeliveryStore } from '../adapters/subscriptions/delivery-store.ts'
import { placesSince } from '../adapters/subscriptions/places-since.ts'
import { liveSecrets } from '../adapters/subscriptions/secrets.ts'
import { findSubscription, listSubscriptions } from '../adapters/subscriptions/subscription-rows.ts'
import type { NodeAppParts } from '../http/app.ts'
import type { Authentication } from '../http/authentication.ts'
import type { StoredViews } from '../http/read/live/live-request.ts'
import { subscriptionRoutes } from '../http/subscriptions/subscription-routes.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { hubBounds } from '../serve/live/ports.ts'
import { type Deliverer, openDeliverer } from '../serve/subscriptions/deliverer.ts'
import { filterOf } from '../serve/subscriptions/filter-criteria.ts'
import { firstPosition } from '../serve/subscriptions/first-position.ts'
import type { NodeLive } from './node-live.ts'
import { subscriptionMetrics } from './subscription-metrics.ts'

/** What identities have stored of what they want to be told, and the deliveries to their webhooks. */
export type NodeSubscriptions = {
  readonly views: StoredViews
  routes(frame: {
    readonly authentication: Authentication
    onFailure(error: unknown, request: Request): void
  }): NodeAppParts['routes']
}

export type NodeSubscriptionsDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly live: Pick<NodeLive, 'following' | 'onPackets'>
  readonly masterKey: Uint8Array
  /** Whose events they are. */
  readonly logKey: string
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
}

type SubscriptionSettings = Pick<
  Settings,
  | 'ASSAY_NETWORK'
  | 'ASSAY_NODE_NAME'
  | 'ASSAY_PUBLIC_URL'
  | 'ADMIN_IDENTITY_KEYS'
  | 'SUBSCRIPTIONS_MAX'
  | 'SUBSCRIPTIONS_PER_IDENTITY_MAX'
  | 'WEBHOOKS_HELD_MAX'
  | 'WEBHOOKS_AT_ONCE'
  | 'WEBHOOK_TIMEOUT_MS'
  | 'WEBHOOK_RETRY_SECONDS'
  | 'WEBHOOK_BATCH_EVENTS_MAX'
  | 'WEBHOOK_BATCH_BYTES_MAX'
  | 'WEBHOOK_DEAD_LETTERS_MAX'
  | 'WEBHOOK_PRIVATE_TARGETS'
>

/** What is due is looked for so often, where nothing has come in. */
const LOOK_MS = 250
/** To one host that answers. */
const PER_HOST_AT_ONCE = 8

export function openNodeSubscriptions(
  settings: SubscriptionSettings,
  deps: NodeSubscriptionsDeps,
): NodeSubscriptions {
  const { database, live, masterKey, now } = deps
  const { pool } = database
  const { following } = live
  const find = (subscriptionId: string) => findSubscription(pool, subscriptionId)
  const changes = openSubscriptionChanges(pool, masterKey, now)
  const delivering = settings.WEBHOOKS_HELD_MAX === 0 ? undefined : startDelivering(settings, deps)
  const partitionsMax = hubBounds.partitionsMax
  return {
    views: {
      async open(subscriptionId, identityKey, acknowledged) {
        const its = await find(subscriptionId)
        if (its?.ownerKey !== identityKey) return { problem: notTheirs }
        if (its.type === 'webhook') return { problem: isDelivered }
        if (its.status === 'expired' || (its.expiresMs !== null && its.expiresMs <= now()))
          return { problem: { code: 'subscription-expired', detail: 'the subscription is expired' } }
        if (its.status === 'paused')
          return { problem: { code: 'subscription-paused', detail: 'the subscription is paused' } }
        const filter = filterOf(its)
        if (!filter.ok) return { problem: { code: 'bad-request', detail: filter.fault.detail } }
        await changes.acknowledge(its, acknowledged)
        return { filter: filter.value, position: acknowledged ?? its.position }
      },
      notActive: changes.notActive,
    },
    routes: ({ authentication, onFailure }) => [
      subscriptionRoutes({
        ...{ authentication, changes, find, onFailure, now },
        adminKeys: settings.ADMIN_IDENTITY_KEYS,
        list: question => listSubscriptions(pool, question),
        findReader: following.findReader,
        firstPosition: (from, whose) =>
          firstPosition(from, whose, {
            ...{ ...following, partitionsMax },
            placesSince: (tracks, sinceMs) => placesSince(tracks, sinceMs, pool),
          }),
        newId: () => `sub_${randomUUID()}`,
        bounds: {
          perOwnerMax: settings.SUBSCRIPTIONS_PER_IDENTITY_MAX,
          allMax: settings.SUBSCRIPTIONS_MAX,
          batchEventsMax: settings.WEBHOOK_BATCH_EVENTS_MAX,
        },
        mayBePlain: settings.ASSAY_NETWORK === 'local' || settings.WEBHOOK_PRIVATE_TARGETS,
        onChanged: () => delivering?.wake(),
      }),
    ],
  }
}

const notTheirs = {
  code: 'not-found',
  detail: 'you have no subscription of that id',
  hint: 'GET /overlay/subscriptions lists yours',
} as const

const isDelivered = {
  code: 'bad-request',
  detail: 'the subscription is delivered to a webhook',
  hint: 'make another one of type sse or websocket to connect to',
} as const

function startDelivering(
  settings: SubscriptionSettings,
  { database, live, masterKey, logKey, log, metrics, stops, now }: NodeSubscriptionsDeps,
) {
  const { pool } = database
  const seldom = openSeldom()
  const onFailure = (error: unknown) =>
    seldom('webhooks', leftOut =>
      log.warn({ err: error, leftOut }, 'delivering to webhooks failed, and goes on by itself'),
    )
  let deliverer: Deliverer | undefined
  const calling = {
    // Of its own: what users name is not to take the sockets of peers and agents.
    outgoing: openOutgoing({
      network: settings.ASSAY_NETWORK,
      isVouchedFor: settings.WEBHOOK_PRIVATE_TARGETS,
      socketsPerHostMax: PER_HOST_AT_ONCE,
    }),
    secretsOf: (subscriptionId: string) => liveSecrets(pool, subscriptionId, { masterKey, nowMs: now() }),
    answerMsMax: settings.WEBHOOK_TIMEOUT_MS,
    origin: originOf(settings),
    now,
  }
  const opened = openDeliverer({
    ...live.following,
    store: openDeliveryStore({
      ...{ pool, filterOf, now },
      deadLettersMax: settings.WEBHOOK_DEAD_LETTERS_MAX,
      onUnreadable: onFailure,
    }),
    post: openPostWebhook(calling),
    askConsent: openAskConsent(calling),
    hosts: new HostRests(now),
    holder: randomUUID(),
    source: `urn:assay:log:${logKey}`,
    retryMs: settings.WEBHOOK_RETRY_SECONDS.map(seconds => seconds * 1000),
    bounds: {
      heldMax: settings.WEBHOOKS_HELD_MAX,
      atOnce: settings.WEBHOOKS_AT_ONCE,
      perHostAtOnce: PER_HOST_AT_ONCE,
      batchBytes: settings.WEBHOOK_BATCH_BYTES_MAX,
      partitionsMax: hubBounds.partitionsMax,
    },
    now,
    chance: Math.random,
    newId: randomUUID,
    lookSoon: () => looking.wake(),
    events: subscriptionMetrics(metrics.registry, () => deliverer ?? nobody, { now, onFailure }),
  })
  deliverer = opened
  const looking = repeat(() => opened.look(), { everyMs: LOOK_MS, onFailure })
  stops.add('deliveries to webhooks', async () => {
    await looking.stop()
    await opened.stop()
  })
  live.onPackets(() => {
    opened.wake()
    looking.wake()
  })
  return {
    wake() {
      opened.changed()
      looking.wake()
    },
  }
}

const nobody = { held: () => 0, unheld: () => 0, failingSinceMs: () => undefined, openCircuits: () => 0 }

/** As a name of DNS, which is what CloudEvents asks for. */
function originOf({ ASSAY_PUBLIC_URL: url, ASSAY_NODE_NAME: name }: SubscriptionSettings): string {
  return url === undefined ? name : new URL(url).hostname
}
