import type { Json } from '../../core/canonical-json.ts'
import type { Place, Track } from '../../core/live/track.ts'
import type { FilteredEvent } from './live-filter.ts'

/**
 * What stands on a track from one place to another. Who has it goes on at `to`; whoever reads the same stretch gets the
 * same, live or later, but for what was passed by and is there by now.
 */
export type Piece = {
  readonly from: Place
  readonly to: Place
  readonly said: Said
  /** What it takes to keep it, about. */
  readonly bytes: number
  /** When it became readable, by the clock of who wrote it; null where nobody wrote that down. */
  readonly sinceMs: number | null
}

export type Said =
  /** Events in a row, as they were received, or at another stage those of one packet. */
  | { readonly kind: 'events'; readonly events: readonly LiveEvent[]; readonly packet: PacketFacts | null }
  /** A packet has reached the stage; its events were not read. */
  | { readonly kind: 'packet'; readonly packet: PacketFacts }
  /** A packet that is passed by, or what cannot be read. */
  | {
      readonly kind: 'gap'
      readonly reason: GapReason
      readonly packetNo: number | null
      /** Of what has expired: before it, nothing on its track is left. */
      readonly oldest?: Place
    }
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'news'
      readonly what: 'filled' | 'unanchored'
      readonly stage: Track['stage']
      readonly packetNo: number
      readonly packetId: string
      readonly versionId: string | null
    }

/** Of the log and of what was certified; the rest is about positions that somebody came with. */
export type GapReason =
  /** No quorum after its tries. */
  | 'split'
  /** Later packets have gone on without it. */
  | 'passed-by'
  /** It was there, and is not any more: its round was given up. */
  | 'taken-back'
  /** Its bytes are here, and cannot be read, or are not what they should be. */
  | 'unreadable'
  /** Its bytes are not kept here any more. */
  | 'expired'

/** One line: an event, what an output says in place of one that was set aside, or a fused record behind those. */
export type LiveEvent = FilteredEvent & {
  readonly kind: 'event' | 'set-aside' | 'fused'
  /** Where its reader goes on. */
  readonly next: Place
  /** Received and validated: its sequence. Certified: its line, which a fused record has too. */
  readonly position: number
  readonly eventTimeMs: number | null
  readonly ingestTimeMs: number | null
  readonly qualityFlags: number
  readonly issues: readonly string[]
  /** The whole of a fused record. */
  record(): Json
}

export type PacketFacts = {
  readonly packetNo: number
  readonly packetId: string
  readonly firstSeq: number
  readonly count: number
  readonly sourceIds: readonly string[]
  /** From here on null below certified. */
  readonly versionId: string | null
  readonly contentHash: string | null
  readonly certifiedMs: number | null
  readonly evidence: Json
  /** Who worked on it, by key. */
  readonly agents: readonly string[]
  /** Of those whose answer to the last stage was agreed on, one. */
  readonly certifier: { readonly agentId: string; readonly signature: string | null } | null
  /** Distinct operators that agreed. */
  readonly agreeing: number | null
  readonly orchestration: 'quorum' | 'local' | null
}

export type Wanted = {
  readonly track: Track
  readonly from: Place
  /** Not beyond this place. What is below it and not at the stage any more is a gap. */
  readonly until?: Place
  /** With the events of packets. */
  readonly withEvents: boolean
}

/**
 * Resolves with the next pieces of each of these tracks, in order and without a hole; none where there is nothing yet.
 * `more`: there is more to read at once.
 */
export type ReadPieces = (
  wanted: readonly Wanted[],
) => Promise<readonly { readonly pieces: readonly Piece[]; readonly more: boolean }[]>

/**
 * Resolves with where each of these tracks ends now, in their order; `ever`: beyond which it surely never has. It can end earlier
 * than it did, as a round is given up, and what its packets had reached is taken back.
 */
export type ReadEnds = (tracks: readonly Track[], ever?: 'ever') => Promise<readonly Place[]>

/**
 * Resolves with the oldest place of each that can still be told of, in their order: where nothing has gone, the beginning;
 * where everything has, behind that. Where much has gone it may be an earlier place, before which nothing is left.
 */
export type ReadOldest = (
  tracks: readonly Pick<Wanted, 'track' | 'withEvents'>[],
) => Promise<readonly Place[]>
