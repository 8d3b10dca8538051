import { randomUUID } from 'node:crypto'
import { openPolicyWindows } from '../../src/adapters/log/policy-windows.ts'
import { openSealingLog, type SealingLogOptions } from '../../src/adapters/log/sealing-log.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type PacketHeader, readPacketHeader } from '../../src/core/log/packet-header.ts'
import { rosterDigest } from '../../src/core/log/roster.ts'
import { type MadePacket, type MakePacketsDeps, makePackets } from '../../src/packets/make-packets.ts'
import { paceBounds } from '../../src/packets/pace.ts'
import type { Lease, SealingLog, SealWish } from '../../src/packets/ports.ts'
import { type Sealer, type SealerDeps, startSealer } from '../../src/packets/sealer.ts'
import { missingIn, withRanges } from '../../src/packets/source-sequences.ts'
import { type LogBed, openLogBed } from './log-bed.ts'

/** A log, and any number of sealers of it. Payloads are kept in memory, under their hash. */
export type SealingBed = LogBed & {
  readonly payloads: Map<string, Uint8Array>
  /** What each sealer's failures were. */
  readonly failures: unknown[]
  /** As another process would see the log. */
  sealing(options?: Partial<SealingLogOptions>): SealingLog
  sealer(deps?: Partial<SealerDeps>): Sealer & { readonly made: readonly MadePacket[] }
  /** Ends the packet that is open in this partition, as a sealer does, and makes none. */
  mark(log: SealingLog, lease: Lease, wish?: Partial<SealWish>): ReturnType<SealingLog['mark']>
  make(log: SealingLog, lease: Lease, deps?: Partial<MakePacketsDeps>): ReturnType<typeof makePackets>
  lease(log: SealingLog, partitionId: number): Promise<Lease>
  headers(): Promise<PacketHeader[]>
}

export const roster = orThrow(rosterDigest([]))

export async function openSealingBed(): Promise<SealingBed> {
  const bed = await openLogBed()
  const { pool } = bed.database
  const payloads = new Map<string, Uint8Array>()
  const failures: unknown[] = []
  const running: Sealer[] = []
  const windows = openPolicyWindows(pool, () => Number.POSITIVE_INFINITY)
  const deps: Omit<MakePacketsDeps, 'log'> = {
    async keepPayload({ header, bytes }) {
      payloads.set(header.rawHash, bytes)
    },
    async streamOf(streamId) {
      const stream = bed.streams.get(streamId)
      if (stream === undefined) throw new Error(`there is no stream ${streamId}`)
      return { ...stream, rosterDigest: roster, windowOf: digest => windows.windowOf(digest) }
    },
    now: () => bed.clock.ms,
    onPacket: () => undefined,
  }
  const sealing: SealingBed['sealing'] = options =>
    openSealingLog({
      ...{ pool, sealer: randomUUID(), windows, arithmetic: { withRanges, missingIn } },
      ...options,
    })
  return {
    ...bed,
    payloads,
    failures,
    sealing,
    sealer(more = {}) {
      const made: MadePacket[] = []
      const sealer = startSealer({
        ...deps,
        log: sealing(),
        bounds: paceBounds,
        timing: { pollMs: 20, wakeMs: 1, idleLookMs: 20, sweepMs: 20, againMs: 5, againMsMax: 50 },
        backlog: () => 0,
        onMode: () => undefined,
        onFailure: error => void failures.push(error),
        onPacket: packet => void made.push(packet),
        ...more,
      })
      running.push(sealer)
      return { ...sealer, made }
    },
    mark: (log, lease, wish) =>
      log.mark(lease, head => ({
        because: 'time',
        watermarkMs: head.watermarkMs,
        policyDigest: head.policyDigest ?? '',
        rosterDigest: roster,
        nowMs: bed.clock.ms,
        ...wish,
      })),
    make: (log, lease, more) => makePackets(lease, { ...deps, ...more, log }),
    async lease(log, partitionId) {
      const [lease] = await log.lease([partitionId])
      if (lease === undefined) throw new Error('somebody else has it')
      return lease
    },
    async headers() {
      const { rows } = await pool.query<{ header: string }>(
        'select header from packets order by partition_id, packet_no',
      )
      return rows.map(({ header }) => orThrow(readPacketHeader(JSON.parse(header))))
    },
    async end() {
      await Promise.all(running.map(sealer => sealer.stop()))
      await bed.end()
    },
  }
}
