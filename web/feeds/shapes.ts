import { anything, flag, list, number, object, orNull, type Read, record, text } from '../ask/shapes.ts'

/* What these pages read of /publishers and /ingest/keys; docs/openapi.yaml has every member. */

const key = object({
  number,
  status: text,
  createdAt: text,
  endsAt: orNull(text),
  revokedAt: orNull(text),
})
const limits = record(anything)

export const feed = object({
  feedId: text,
  version: text,
  name: text,
  type: text,
  enabled: flag,
  authentication: text,
  allowlist: list(text),
  streams: list(text),
  lastActivityAt: orNull(text),
  keys: list(key),
  post: text,
})
/** Of a feed that is known otherwise. */
export const lastHeard = object({ lastActivityAt: orNull(text) })
export const feeds = object({
  feeds: list(feed),
  nextAfter: orNull(text),
  feedsMax: number,
  mayRegister: flag,
  ceiling: limits,
})
export const stream = object({
  streamId: text,
  version: text,
  isYours: flag,
  published: flag,
  audience: text,
  level: text,
  topics: list(text),
  readers: list(text),
  policyNumber: number,
  policyDigest: text,
  policyByDefault: flag,
  feeds: list(text),
})
export const streams = object({ streams: list(stream), nextAfter: orNull(text) })
export const registered = object({ feed, stream, secret: orNull(text) })
export const changedFeed = object({ feed, secret: orNull(text) })
export const changedStream = object({ stream })
export const rotated = object({ feedId: text, number, secret: text })
export const revoked = object({ feedId: text, number, revoked: flag })
export const usage = object({
  windows: list(
    object({
      window: text,
      events: number,
      bytes: number,
      eventsMax: orNull(number),
      bytesMax: orNull(number),
    }),
  ),
})
export const policies = object({
  versions: list(object({ number, digest: text, at: orNull(text), by: text, isInForce: flag })),
})
export const policyVersion = object({ number, digest: text, own: anything })
export const difference = object({
  changes: list(object({ pointer: text, was: anything, became: anything })),
})
export const dryRun = object({
  digest: text,
  events: list(
    object({
      eventId: orNull(text),
      sourceId: text,
      sent: anything,
      outcome: text,
      payload: anything,
      steps: list(anything),
      issues: list(object({ text, severity: text })),
      fault: orNull(object({ code: text, detail: text })),
    }),
  ),
})
export const changes = object({
  changes: list(object({ id: text, at: text, by: text, kind: text, subject: text, what: text })),
  nextBefore: orNull(text),
})

export type Feed = Read<typeof feed>
export type Stream = Read<typeof stream>
export type DryRun = Read<typeof dryRun>
