import type { Shape } from '../event/adapters/recognize.ts'
import type { Limits } from './limits.ts'

/** A registered origin of events: what its publisher and this node have decided about it. */
export type Source = {
  readonly sourceId: string
  readonly name: string
  readonly type: SourceType
  readonly enabled: boolean
  /** Reads and writes of another tenant find nothing of it. */
  readonly tenantId?: string
  /** Its publisher: who signs its requests and its overlay batches. */
  readonly identityKey?: string
  readonly authentication: SourceAuthentication
  /** Networks that it sends from, as CIDRs; empty for any. */
  readonly allowlist: readonly string[]
  /** Where it may write; a request that names no stream means the first. */
  readonly streams: readonly [string, ...string[]]
  readonly unknownStream: 'refuse' | 'quarantine'
  /** Set where its items are of one shape, so that none is guessed. */
  readonly shape?: Shape
  readonly sourceVersion: string
  /** What its events are where they do not say. */
  readonly eventType: string
  readonly payloadType: string
  readonly dataVersion: string
  readonly time: TimePolicy
  readonly limits: Limits
  /** What streams that are made with it are followed under to begin with. */
  readonly overlayTopics: readonly string[]
  /** What its word weighs where sources disagree; 1 is usual. */
  readonly trustWeight: number
  /** 0 to 100. */
  readonly trustScore: number
}

export const sourceTypes = ['webhook', 'poll', 'mqtt', 'amqp', 'kafka', 'overlay'] as const
export type SourceType = (typeof sourceTypes)[number]

export const sourceAuthentications = ['none', 'hmac', 'legacy', 'brc104'] as const
export type SourceAuthentication = (typeof sourceAuthentications)[number]

/** What becomes of events whose time is far from the time at which they came. */
export type TimePolicy = {
  /** So far ahead of our clock an event may be. */
  readonly skewMsMax: number
  readonly onFuture: 'flag' | 'quarantine'
  /** So far behind it; undefined for as far as one likes. */
  readonly staleMsMax?: number
  readonly onStale: 'flag' | 'quarantine'
}

export const timePolicyDefault: TimePolicy = { skewMsMax: 5_000, onFuture: 'flag', onStale: 'flag' }
