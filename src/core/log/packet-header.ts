import type { Json } from '../canonical-json.ts'
import type { Level } from '../level.ts'
import type { Network } from '../network.ts'

/** Everything a packet is, in one canonical document; its digest is the packetId. */
export type PacketHeader = {
  readonly v: 1
  /** Identity key (33 bytes, hex) of the log; the stream's full name is `<log>/<streamId>`. */
  readonly log: string
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly audience: Audience
  readonly packetNo: number
  readonly firstSeq: number
  readonly count: number
  /** RFC 6962 root over the lines. */
  readonly root: string
  readonly bytes: number
  /** SHA-256 of the packet's bytes: the lines, each ended by a newline. */
  readonly rawHash: string
  /** packetId of the packet before it in this partition; null for the first. */
  readonly previous: string | null
  readonly firstEventTimeMs: number | null
  readonly lastEventTimeMs: number | null
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly totals: Totals
  readonly sources: readonly PacketSource[]
  /** Envelope members that every line of the packet shares and leaves out. */
  readonly constants: { readonly [member: string]: Json }
  readonly network: Network
}

export type Audience = 'public' | 'restricted'

export type PacketSource = { readonly sourceId: string; readonly authenticated: 'none' | 'hmac' | 'identity' }

/** Counted since the partition began, as of the seal mark: received is the sum of the others. */
export type Totals = {
  readonly received: number
  readonly accepted: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
}
