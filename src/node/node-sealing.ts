import { randomUUID } from 'node:crypto'
import { findLogRole } from '../adapters/log/log-role.ts'
import { openPolicyWindows } from '../adapters/log/policy-windows.ts'
import { openSealingLog } from '../adapters/log/sealing-log.ts'
import { readSourceGaps } from '../adapters/log/source-sequences.ts'
import { readWatermarks } from '../adapters/log/watermarks.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { StreamToSeal } from '../adapters/registry/streams-to-seal.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { nodeHolder } from '../adapters/uhrp/holder.ts'
import { orThrow } from '../core/fault.ts'
import { acceptedOperators, rosterDigest } from '../core/log/roster.ts'
import type { MadePacket } from '../packets/make-packets.ts'
import { paceBounds } from '../packets/pace.ts'
import type { KeepPayload, SealedStream } from '../packets/ports.ts'
import { startSealer } from '../packets/sealer.ts'
import { missingIn, withRanges } from '../packets/source-sequences.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openPacketMetrics, SHOWN_MAX } from '../runtime/packet-metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import { takeTurns } from '../runtime/take-turns.ts'

export type NodeSealing = {
  /** To be called after every append. */
  wake(): void
}

export type NodeSealingDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly registry: { stream(streamId: string): Promise<StreamToSeal | undefined> }
  readonly store: Pick<ContentStore, 'put'>
  readonly log: Log
  readonly metrics: Pick<Metrics, 'registry'>
  readonly stops: Stops
  now(): number
  /** Of the node, for streams that name none. */
  readonly operators?: readonly string[]
  /** Events in packets of which there is no certificate yet. */
  backlog?(): number | Promise<number>
  onPacket?(packet: MadePacket): void
}

/** From events in the log to packets, beside every other node of this database. */
export async function startNodeSealing(
  settings: Pick<Settings, 'EVENT_BUFFER_MS' | 'PUBLISH_MODE' | 'PACKET_BATCH_MS'>,
  deps: NodeSealingDeps,
): Promise<NodeSealing> {
  const { store, log, stops, now, backlog = () => 0, onPacket } = deps
  const { pool } = deps.database
  const { role } = await findLogRole(pool)

  const seldom = openSeldom()
  const metrics = openPacketMetrics(deps.metrics.registry, {
    isBatch: () => sealer.mode() === 'batch',
    unsealed: () => sealer.load(),
    watermarks: () => readWatermarks(pool, SHOWN_MAX),
    async missing() {
      const gaps = await readSourceGaps(pool, SHOWN_MAX)
      return gaps.map(each => ({ ...each, missing: Number(missingIn(each)) }))
    },
  })
  const windows = openPolicyWindows(pool)
  const sealer = startSealer({
    log: openSealingLog({ pool, sealer: randomUUID(), windows, role, arithmetic: { withRanges, missingIn } }),
    bounds: {
      ...paceBounds,
      mode: settings.PUBLISH_MODE,
      bufferMs: settings.EVENT_BUFFER_MS,
      batchMs: settings.PACKET_BATCH_MS,
    },
    streamOf: sealedStreams(deps, digest => windows.windowOf(digest)),
    keepPayload: keepIn(store),
    now,
    turns: takeTurns(),
    backlog,
    onMode: (mode, load) => log.warn({ mode, ...load }, `packets are made in ${mode} mode from now on`),
    onPacket(packet) {
      metrics.sealed.inc({ because: packet.because })
      metrics.events.observe(packet.header.count)
      metrics.sealing.observe(Math.max(0, now() - packet.markedMs) / 1_000)
      for (const lagMs of packet.lag) {
        metrics.lag(lagMs)
        if (lagMs < 0) metrics.aheadOfClock.inc()
      }
      onPacket?.(packet)
    },
    onFailure(error, partitionId) {
      metrics.failures.inc()
      seldom(String(partitionId), leftOut =>
        log.error({ err: error, partitionId, leftOut }, 'sealing failed, and is tried again'),
      )
    },
  })
  stops.add('sealing of packets', () => sealer.stop())
  return { wake: sealer.wake }
}

function sealedStreams(
  { registry, operators = [] }: Pick<NodeSealingDeps, 'registry' | 'operators'>,
  windowOf: SealedStream['windowOf'],
): (streamId: string) => Promise<SealedStream> {
  // A stream that has not changed is the same object, and asked for many times a second.
  const known = new WeakMap<StreamToSeal, SealedStream>()
  return async streamId => {
    const stream = await registry.stream(streamId)
    if (stream === undefined)
      throw new Error(
        `The log has events of the stream "${streamId}", and the registry does not have the stream.`,
      )
    let sealed = known.get(stream)
    if (sealed === undefined) {
      const { audience, latenessMs, policyDigest } = stream
      sealed = {
        ...{ audience, latenessMs, policyDigest },
        rosterDigest: orThrow(rosterDigest(acceptedOperators(stream.operators, operators))),
        windowOf,
      }
      known.set(stream, sealed)
    }
    return sealed
  }
}

/** 9999-12-31: as long as the node keeps packets, which nobody but its owner ends. */
const FOREVER_MS = 253_402_214_400_000
const holder = nodeHolder('packets')

/** Not advertised: that is for what has a certificate, and each advert costs a transaction. */
function keepIn(store: Pick<ContentStore, 'put'>): KeepPayload {
  return async ({ header, bytes }, { audience }) => {
    const streams = [header.streamId]
    const wishes = {
      ...{ holder, audience, streams, advertise: false },
      retainUntilMs: FOREVER_MS,
      contentType: 'application/x-ndjson',
      expected: { sha256: header.rawHash, length: header.bytes },
    }
    orThrow(await store.put(bytes, wishes))
  }
}
