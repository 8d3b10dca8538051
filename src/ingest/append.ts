import type { IdentifiedEvent } from '../core/event/identity.ts'
import type { Submission } from '../core/event/submission.ts'
import type { Level } from '../core/level.ts'
import type { PacketSource } from '../core/log/packet-header.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type {
  AcceptRefusal,
  Allowance,
  Idempotency,
  ItemAnswer,
  QuarantineReason,
  Release,
} from './arrived.ts'
import type { LineStyle } from './line-style.ts'
import type { LinePlace, OfferedLines } from './offered-lines.ts'

/** What one request asks the log to take: all of it, in one durable step, or nothing. */
export type Offer = {
  readonly source: Source
  readonly stream: Stream
  readonly level: Level
  readonly authenticated: PacketSource['authenticated']
  readonly connector: { readonly connectorId: string; readonly connectorVersion: string }
  readonly receivedMs: number
  readonly bytes: number
  readonly idempotency?: Idempotency
  /** More of a request that has been counted. */
  readonly continued?: boolean
  readonly items: readonly OfferedItem[]
  /** Of the events among the items. */
  readonly lines: OfferedLines
  /** What else stays in memory until it is answered, more or less. */
  readonly keptBytes: number
  readonly style: LineStyle
  /** What an event said, read again: it may have to be held after all. */
  submissionOf(index: number): Submission
  /** Held events that leave quarantine with this offer, in the order of the items. */
  readonly releases?: readonly Release[]
  /** Whose shares it takes, and no others, where nothing shows that its source has sent it. */
  readonly countsFor?: Allowance
  /** Beside those of its source and its stream. */
  readonly countsAlso?: Allowance
}

export type OfferedItem =
  | OfferedEvent
  | {
      readonly kind: 'held'
      readonly reason: QuarantineReason
      readonly detail: string
      /** What is kept of it, to be inspected, edited and released. */
      readonly held: Submission
      /** Tells repetitions of it; without one there is no telling. */
      readonly fingerprint?: string
      readonly nativeId?: string
    }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string; readonly pointer?: string }

/** Its line is as of this identity, and as if it were not late. */
export type OfferedEvent = LinePlace & {
  readonly kind: 'event'
  /** As the first of its id. */
  readonly identity: IdentifiedEvent
  readonly nativeId: string | undefined
  readonly sourceSeq: string | undefined
  readonly partitionKey: string
  readonly payloadType: string
  /** Those that do not depend on what is in the log, the identity's apart. */
  readonly flags: number
}

/**
 * Resolves once everything that the answer says is durable; a duplicate is an answer, not an error. Nothing of an
 * offer is in the log where it is refused. Where this throws, all of it is or nothing: the answer to a commit may be lost
 * with its connection, and whoever offers again under the same key learns which.
 */
export type AppendEvents = (offer: Offer) => Promise<AppendOutcome>

export type AppendOutcome =
  | { readonly kind: 'answered'; readonly items: readonly ItemAnswer[]; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly refusal: AcceptRefusal }
  /** The stream has another policy by now: read it again and offer again. */
  | { readonly kind: 'stale-policy' }
