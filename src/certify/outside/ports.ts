import type { Json } from '../../core/canonical-json.ts'
import type { PacketHeader } from '../../core/log/packet-header.ts'

/** What asking a certifier outside asks of the database. What is written twice is the same as written once. */
export type OutsideStore = {
  /** Packets that are validated and whose events it has not been asked about; ours for a while. */
  take(limit: number): Promise<readonly OutsidePacket[]>
  /** Of these events of the packet, those that are due now. Each is known from then on. */
  due(packet: OutsidePacket, eventIds: readonly string[]): Promise<readonly DueEvent[]>
  answered(event: AskedEvent, answer: OutsideAnswer): Promise<void>
  /** Due again then, or never where that is undefined. */
  failed(event: AskedEvent, failure: OutsideFailure, againMs: number | undefined): Promise<void>
  /** Ours for a while longer; false where somebody else may have taken it. */
  keep(packet: OutsidePacket): Promise<boolean>
  /**
   * asked: nobody asks about it any more where nothing of it is due; else somebody takes it when something is.
   * interrupted: somebody goes on with it.
   */
  letGo(packet: OutsidePacket, how: 'asked' | 'interrupted'): Promise<void>
  /** It could not be read. Somebody takes it again then, or nobody where that is undefined. */
  unreadable(packet: OutsidePacket, againMs: number | undefined): Promise<void>
}

export type OutsidePacket = {
  readonly packetId: string
  readonly header: PacketHeader
  /** Times that it was taken. */
  readonly attempts: number
  /** What came of its validation, by a quorum or by this node alone. */
  read(): Promise<Uint8Array>
}

export type DueEvent = { readonly eventId: string; readonly attempts: number }
export type AskedEvent = { readonly eventId: string; readonly packetId: string }

export type OutsideQuestion = {
  readonly eventId: string
  readonly sourceId: string
  readonly normalized: Json
  /** SHA-256 of `normalized` as canonical JSON. */
  readonly contentHash: string
}

export type OutsideAnswer = {
  readonly status: number
  readonly versionId: string
  /** All that it said; null where that cannot be kept. */
  readonly response: unknown
}

/** `certifier-failed:<status>`, or why there was no answer at all. */
export type OutsideFailure = { readonly why: string; readonly status: number | null }

/** Resolves with what it answered; a failure is an answer too, and nothing is thrown for it. */
export type CallCertifier = (
  question: OutsideQuestion,
) => Promise<
  | { readonly ok: true; readonly answer: OutsideAnswer }
  | { readonly ok: false; readonly failure: OutsideFailure }
>
