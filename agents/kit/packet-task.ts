import type { Outcome } from '../../src/core/fault.ts'
import type { Level } from '../../src/core/level.ts'
import type { PacketHeader } from '../../src/core/log/packet-header.ts'
import type { PolicySet } from '../../src/core/policy/policy-set.ts'
import type { Leaf } from '../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import type { ChainPlace } from '../../src/core/work/certify-packet.ts'

/**
 * The one function that makes an agent: what it says about one packet, from nothing but its argument. A fault is no
 * answer for this packet, and for those behind it in its partition.
 */
export type AnswerPacket = (task: PacketTask) => Outcome<PacketAnswer>

/** One packet of a job, with everything fetched and held against the hashes that the job names. */
export type PacketTask = {
  readonly stage: Stage
  readonly level: Level
  readonly header: PacketHeader
  readonly packetId: string
  /** Its lines. */
  readonly lines: Uint8Array
  readonly policySet: PolicySet
  /**
   * What it builds on: of the first packet of a partition what the round document says, of each further one what was
   * answered and agreed on just before. The parent's versionId is known at the stage certify only; before, it is zeros.
   */
  readonly place: ChainPlace
  /** The bytes of `place.stateIn`; null for the empty state. */
  readonly state: Uint8Array | null
  /** What the stages before have agreed on: none at normalize, normalize at validate, validate at certify. */
  readonly agreed: AgreedOutcome | undefined
  /** The leaf that normalize agreed on; at certify, for who recomputes both stages. */
  readonly normalizeLeaf: Leaf | undefined
}

export type AgreedOutcome = {
  readonly leaf: Leaf
  readonly output: Uint8Array
  readonly outputHash: string
  readonly state: Uint8Array
  readonly stateOut: string | null
}

/** Output and state as bytes; at certify the manifest in its canonical form, and no state. */
export type PacketAnswer = {
  readonly leaf: Leaf
  readonly output: Uint8Array
  readonly state: Uint8Array
}
