import type { RecordedChange } from '../../adapters/publishers/audit.ts'
import type { OwnFeed } from '../../adapters/publishers/own-feeds.ts'
import type { OwnStream } from '../../adapters/publishers/own-streams.ts'
import type { PolicyVersion } from '../../adapters/publishers/policy-versions.ts'
import type { Producer } from '../../adapters/publishers/producers.ts'
import type { WindowUsage } from '../../adapters/publishers/usage.ts'
import type { ListedItem } from '../../adapters/quarantine/read-quarantine.ts'
import type { ShownSecret } from '../../adapters/registry/secrets.ts'
import { isObject, type Json } from '../../core/canonical-json.ts'
import type { Limits } from '../../core/registry/limits.ts'
import type { OwnItem } from './own-quarantine.ts'

/* As publishers are shown what is theirs: never with a secret, a tenant, or the name of an operator. */

export function shownFeed({ source, version, lastActivityMs, secrets }: OwnFeed, nowMs: number) {
  const { name, type, enabled, authentication, allowlist, streams, unknownStream, overlayTopics } = source
  const { sourceId, sourceVersion, eventType, payloadType, dataVersion, time, limits } = source
  return {
    feedId: sourceId,
    ...{ version, name, type, enabled, authentication, allowlist, streams, unknownStream },
    shape: source.shape ?? null,
    ...{ sourceVersion, eventType, payloadType, dataVersion, time, limits, overlayTopics },
    policy: source.policy ?? null,
    lastActivityAt: iso(lastActivityMs),
    keys: secrets.map(secret => shownKey(secret, nowMs)),
    post: `/ingest/events?sourceId=${encodeURIComponent(sourceId)}`,
  }
}

export function shownKey({ number, createdMs, untilMs, revokedMs }: ShownSecret, nowMs: number) {
  return {
    number,
    status: statusOf(untilMs, revokedMs, nowMs),
    createdAt: iso(createdMs),
    endsAt: iso(untilMs),
    revokedAt: iso(revokedMs),
  }
}

/** One that is past its time is put away as revoked at that time. */
function statusOf(untilMs: number | null, revokedMs: number | null, nowMs: number) {
  if (revokedMs !== null && revokedMs !== untilMs) return 'revoked'
  if (untilMs === null) return 'active'
  return untilMs <= nowMs ? 'ended' : 'ending'
}

export function shownStream(stream: OwnStream) {
  const { settings, version, isYours, policyNumber, policyDigest, policyByDefault, feedIds } = stream
  const { streamId, published, audience, level, domain, topics, readers, openTags, latenessMs, limits } =
    settings
  const name = encodeURIComponent(streamId)
  return {
    ...{ streamId, version, isYours, published, audience, level, domain },
    partitionKey: settings.partitionKey ?? null,
    // Who reads an operator's stream, and what it may take in, is for its operator to know.
    ...(isYours ? { topics, readers, openTags, limits } : { topics, readers: [], openTags: [], limits: {} }),
    latenessMs,
    ...{ policyNumber, policyDigest, policyByDefault },
    feeds: feedIds,
    links: {
      watch: `/watch?streams=${name}`,
      events: `/overlay/events/stream?streams=${name}`,
      feed: `/feed?stream=${name}`,
    },
  }
}

export function shownVersion({ number, digest, atMs, who }: PolicyVersion, numberInForce: number) {
  return { number, digest, at: iso(atMs), by: shownWho(who), isInForce: number === numberInForce }
}

export function shownUsage(limits: Limits, windows: readonly WindowUsage[]) {
  return {
    limits,
    windows: windows.map(({ window, fromMs, untilMs, eventsMax, bytesMax, used }) => ({
      ...{ window, from: iso(fromMs), until: iso(untilMs) },
      ...used,
      ...{ eventsMax, bytesMax },
    })),
  }
}

const kinds = {
  source: 'feed',
  stream: 'stream',
  secret: 'key',
  publisher: 'publisher',
  quarantine: 'quarantine',
} as const

export function shownChange(
  { id, atMs, who, kind, subject, what, was, became }: RecordedChange,
  reader: string,
) {
  const isOthersDecision = kind === 'quarantine' && who !== reader
  const sides = {
    was: withoutOperators(was),
    became: without(isOthersDecision ? decidersOwn : operatorsOwn, became),
  }
  return { id, at: iso(atMs), by: shownWho(who), kind: kinds[kind], subject, what, ...sides }
}

/** What is an operator's word of a source or stream, and no publisher's. */
const operatorsOwn: ReadonlySet<string> = new Set(['tenantId', 'trustScore', 'trustWeight', 'operators'])

/** Where it was let in and how it was changed is for who decided: two publishers may read of one item. */
const decidersOwn: ReadonlySet<string> = new Set(['streamId', 'edit'])

function withoutOperators(recorded: Json): Json {
  return without(operatorsOwn, recorded)
}

function without(names: ReadonlySet<string>, recorded: Json): Json {
  if (!isObject(recorded)) return recorded
  return Object.fromEntries(Object.entries(recorded).filter(([name]) => !names.has(name)))
}

/** An item of quarantine: all but what was sent, as lists are long, and that may be. */
export function shownHeld({ id, version, streamId, sourceId, level, reason, detail, ...item }: ListedItem) {
  const { nativeId, authenticated, receivedMs, state, decidedMs, eventId } = item
  return {
    ...{
      id: String(id),
      version,
      streamId,
      feedId: sourceId,
      level,
      reason,
      detail,
      nativeId,
      authenticated,
    },
    ...{ receivedAt: iso(receivedMs), state, decidedAt: iso(decidedMs), eventId },
  }
}

/** Why it was held, and why it was given up. */
const toldToAll: ReadonlySet<string> = new Set(['held', 'waived'])

/** With what was sent, what became of it, and what the publisher who asks may do. */
export function shownHeldWhole({ item, authority: { edit, override }, steps }: OwnItem, reader: string) {
  return {
    ...shownHeld(item),
    ...{ held: item.held, may: { edit, override } },
    steps: steps.map(({ atMs, action, who, byPublisher, detail }) => ({
      at: iso(atMs),
      action,
      by: byPublisher === true ? who : action === 'held' ? 'node' : 'operator',
      // What others have said of it may name streams that the reader knows nothing of.
      detail: toldToAll.has(action) || (byPublisher === true && who === reader) ? detail : '',
    })),
  }
}

export function shownProducer({ identityKey, name, website, registeredMs, updatedMs }: Producer) {
  return { identityKey, name, website, registeredAt: iso(registeredMs), updatedAt: iso(updatedMs) }
}

/** Who of the operators it was, they know themselves. */
function shownWho(who: string): string {
  return /^0[23][0-9a-f]{64}$/.test(who) ? who : 'operator'
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
