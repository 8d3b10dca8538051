import type { Submission } from '../core/event/submission.ts'
import type { Outcome } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { PacketSource } from '../core/log/packet-header.ts'
import type { Limits } from '../core/registry/limits.ts'
import type { Source } from '../core/registry/source.ts'

/** One request as it came through a door, its sender known and its body read: everything that accepting it needs. */
export type Arrived = {
  readonly source: Source
  /** How sure we are that the source has sent this. */
  readonly authenticated: PacketSource['authenticated']
  readonly connector: { readonly connectorId: string; readonly connectorVersion: string }
  /** The first of the source's streams where nothing is said. */
  readonly streamId?: string
  /** The stream's where nothing is said. */
  readonly level?: Level
  /** Marked as fetched later, and no reason to close a window. */
  readonly backfill?: boolean
  readonly receivedMs: number
  /** As they came over the wire, before they were unpacked. */
  readonly bytes: number
  readonly idempotency?: Idempotency
  readonly items: readonly ReceivedItem[]
  /** More of a request whose first events are in the log: it counts as a request once. */
  readonly continued?: boolean
  /** What bounds it beside the limits of its source and its stream. */
  readonly countsAlso?: Allowance
  /** Held events that leave quarantine with this request, in the order of the items. */
  readonly releases?: readonly Release[]
}

/** Limits, and whose they are. */
export type Allowance = { readonly scope: string; readonly limits: Limits }

export type Release = {
  readonly quarantineId: string
  readonly who: string
  /** And `who` is its identity key. */
  readonly byPublisher?: boolean
  /** Although its time speaks against it. */
  readonly override?: boolean
  /** What was changed of it, in JSON. */
  readonly edit?: string
  /** It is for the first who decides: whoever finds it gone is not answered with what became of it. */
  readonly once?: boolean
}

export type Idempotency = {
  /** Whose key it is: one source's, at one route. */
  readonly scope: string
  readonly key: string
  /** SHA-256 of the body, in hex. */
  readonly bodyHash: string
}

/** One item as a reader of some format made it out, or how it can be made out whenever that is wanted. */
export type ReceivedItem = ReadItem | UnreadItem

export type ReadItem = {
  readonly submission: Outcome<Submission>
  /** DUPLICATE_KEYS, where the reader saw it. */
  readonly flags: number
}

/** Of a large body: an event takes ten times the memory of its text, and is needed for a moment only. */
export type UnreadItem = {
  /** Of the text that it keeps. */
  readonly bytes: number
  read(): ReadItem
}

const READ_ITEM_BYTES = 1024

/** What an item holds in memory, more or less. */
export function bytesHeldBy(item: ReceivedItem): number {
  return 'read' in item ? item.bytes : READ_ITEM_BYTES
}

export function readReceived(item: ReceivedItem): ReadItem {
  return 'read' in item ? item.read() : item
}

/** What became of an item. Given once everything that it says is durable. */
export type ItemAnswer =
  | (Placed & { readonly status: 'accepted' })
  | (Placed & { readonly status: 'revision'; readonly revises: string })
  | { readonly status: 'duplicate'; readonly of: string; readonly nativeId?: string }
  | {
      readonly status: 'quarantined'
      readonly quarantineId: string
      readonly reason: QuarantineReason
      readonly detail: string
      readonly nativeId?: string
    }
  | { readonly status: 'rejected'; readonly code: string; readonly detail: string; readonly pointer?: string }

export type Placed = {
  readonly eventId: string
  readonly partition: number
  readonly seq: number
  readonly flags: number
  /** Where a repetition of it will show; `none`: nowhere. */
  readonly dedup: 'native-id' | 'event-id' | 'none'
  readonly nativeId?: string
}

export const quarantineReasons = [
  'audience-mismatch',
  'unknown-stream',
  'stale-event-time',
  'future-event-time',
  'identity-undecided',
  'batch-unreadable',
  'source-unverified',
] as const
export type QuarantineReason = (typeof quarantineReasons)[number]

export type AcceptOutcome =
  /** In the order of the items. `replayed`: the answer of the first time that this key came. */
  | { readonly kind: 'answered'; readonly items: readonly ItemAnswer[]; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly refusal: AcceptRefusal }

/** Why nothing of a request was accepted. */
export type AcceptRefusal =
  | { readonly why: 'unknown-stream'; readonly streamId: string }
  | { readonly why: 'unpublished'; readonly streamId: string }
  /** The key came before with another body. */
  | { readonly why: 'key-reused' }
  | { readonly why: 'quota' | 'rate'; readonly limit: string; readonly retryAfterS: number }
  | { readonly why: 'backlog' | 'disk'; readonly retryAfterS: number }

/** Takes a request in. Resolves once every answer is durable; throws where the log cannot be reached. */
export type Accept = (arrived: Arrived) => Promise<AcceptOutcome>

export type Full = Extract<AcceptRefusal, { why: 'backlog' | 'disk' }>

/**
 * Asked before a body is read, before each batch of one that is worked on as it comes, before a batch of the overlay, and
 * before a publisher's release.
 */
export type PushBack = {
  /** Why nothing can be taken in now, or undefined. */
  why(): Full | undefined
  /** Somebody is refused for it, and does not wait. */
  count(full: Full): void
}
