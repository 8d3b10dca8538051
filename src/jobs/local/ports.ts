import type { PacketHeader } from '../../core/log/packet-header.ts'
import type { PolicySet } from '../../core/policy/policy-set.ts'
import type { Parent } from '../../core/rounds/coordinating/standing.ts'

/** What processing packets without agents asks of the database. */
export type LocalStore = {
  /** Alone among all nodes with one partition that has packets which nobody has processed; `none` where there is none. */
  withNext(work: (partition: LocalPartition) => Promise<void>): Promise<'worked' | 'none'>
}

export type LocalPartition = {
  /** The first of them, in their order. */
  readonly packets: readonly LocalPacket[]
  /** The last packet before them that is certified or was processed here, with its state where that is still known. */
  readonly before: LocalPrecursor
  /** Resolves once these packets are shown as validated, by this node alone, and the state after them is kept. */
  write(done: readonly ProcessedPacket[]): Promise<void>
}

export type LocalPrecursor = { readonly parent: Parent | null; readonly state: Uint8Array | null }

export type LocalPacket = {
  readonly packetId: string
  readonly header: PacketHeader
  readonly policySet: PolicySet
  read(): Promise<Uint8Array>
}

export type ProcessedPacket = {
  readonly packetId: string
  readonly packetNo: number
  readonly output: Uint8Array
  /** Empty where there is none. */
  readonly state: Uint8Array
}
