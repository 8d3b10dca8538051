import * as z from 'zod'
import type { Json } from '../../core/canonical-json.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { type PacketHeader, readPacketHeader } from '../../core/log/packet-header.ts'
import { proofLevels } from '../trust.ts'
import { noCounts } from './check-counts.ts'
import { findingKinds } from './findings.ts'
import { counts, opening, unreadable } from './records.ts'

const whole = z.int().min(0)
const text = z.string()

const header = z.unknown().transform((value, context): PacketHeader => {
  const read = readPacketHeader(value as Json)
  if (read.ok) return read.value
  context.issues.push({ code: 'custom', input: value, message: read.fault.detail })
  return z.NEVER
})

const certifiedBefore = z.strictObject({
  packetId: text,
  versionId: text,
  /** Left out where its manifest could not be read. */
  stateOut: text.nullable().optional(),
})
export type CertifiedBefore = z.output<typeof certifiedBefore>

const partition = z.strictObject({
  nextPacket: whole,
  before: z.union([
    z.strictObject({ header, packetId: text }),
    z.literal('missing'),
    /** Marked, and not made yet: from this packet on. */
    z.strictObject({ unmade: whole }),
    z.null(),
  ]),
  /** As of the last mark; null where a mark is missing. */
  totals: counts.nullable(),
  /** The last ones that were certified: what later ones can build on. */
  certified: z.array(certifiedBefore).readonly(),
  isForgotten: z.boolean(),
  certifiedEvents: whole,
  isAllThere: z.boolean(),
})
export type PartitionState = z.output<typeof partition>

const found = z.strictObject({
  packets: whole,
  events: whole,
  certified: whole,
  split: whole,
  inFlight: whole,
  /** Packets that are marked, and were not made yet. */
  unmade: whole,
  /** Packets whose certificate does not stand any more, as the log says itself. */
  revoked: whole,
  superseded: whole,
})
export type Found = z.output<typeof found>

const state = z.strictObject({
  opening: opening.nullable(),
  /** Of the partition in `opening`. */
  at: whole,
  partition,
  found,
  /** The least that a certificate has reached; null where there was none. */
  level: z.enum(proofLevels).nullable(),
  shortfall: text.nullable(),
  findings: z
    .array(
      z.strictObject({
        kind: z.enum(findingKinds),
        streamId: text,
        partition: whole,
        packetNo: whole.nullable(),
        seq: whole.nullable(),
        detail: text,
      }),
    )
    .readonly(),
  /** Beyond those that are listed. */
  findingsMore: whole,
  /** What could not be checked, for want of what it takes. */
  open: z.array(text).readonly(),
  openMore: whole,
  isWhole: z.boolean(),
})
/** What is known so far: as much as going on takes, however long the log is. Plain JSON, so that it can be kept in a file. */
export type AuditState = z.output<typeof state>

export function readAuditState(json: unknown): Outcome<AuditState> {
  const read = state.safeParse(json)
  return read.success ? accepted(read.data) : unreadable('this is no state of an audit')
}

export const atStart: AuditState = {
  opening: null,
  at: 0,
  partition: inPartition(),
  found: {
    packets: 0,
    events: 0,
    certified: 0,
    split: 0,
    inFlight: 0,
    unmade: 0,
    revoked: 0,
    superseded: 0,
  },
  level: null,
  shortfall: null,
  findings: [],
  findingsMore: 0,
  open: [],
  openMore: 0,
  isWhole: false,
}

export function inPartition(): PartitionState {
  return {
    nextPacket: 0,
    before: null,
    totals: noCounts,
    certified: [],
    isForgotten: false,
    certifiedEvents: 0,
    isAllThere: true,
  }
}

const CERTIFIED_REMEMBERED_MAX = 256

export function remember(before: PartitionState, certified: CertifiedBefore): PartitionState {
  const all = [...before.certified, certified]
  return {
    ...before,
    certified: all.slice(-CERTIFIED_REMEMBERED_MAX),
    isForgotten: before.isForgotten || all.length > CERTIFIED_REMEMBERED_MAX,
  }
}
