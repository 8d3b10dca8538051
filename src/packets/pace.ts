import type { PublishMode } from '../core/log/publish-mode.ts'

/** What decides where packets end, for a while: the same for all partitions of a node. */
export type Pace = {
  readonly mode: PublishMode
  /** So old the first event of a packet gets. */
  readonly lingerMs: number
  /** The same while agents work on an earlier packet of its partition, so that it could not go on before anyhow. */
  readonly behindMs: number
  /** So long nothing has to follow an event for its packet to end; undefined where there is no time for small ones. */
  readonly aloneMs: number | undefined
  /** So old it has to be to end because a window closes; undefined where windows wait for the packet's end. */
  readonly watermarkAfterMs: number | undefined
  readonly eventsMax: number
  readonly bytesMax: number
}

export type PaceBounds = {
  readonly mode: PublishMode
  readonly bufferMs: number
  readonly batchMs: number
  /** Sealing follows the load, and the rounds, until packets are this many times as old as they are meant to be. */
  readonly stretchMax: number
  /** With so few events behind, and so few partitions that have any, a node is idle; with so many, it is busy. */
  readonly idle: Load
  readonly busy: Load
  /** With so many events behind it makes batches, until there are as few as this again. */
  readonly batchFromEvents: number
  readonly liveFromEvents: number
  readonly live: PacketSize
  readonly batch: PacketSize
}

type PacketSize = { readonly eventsMax: number; readonly bytesMax: number }

/** What a node has before it. */
export type Load = {
  /** Accepted and not certified. */
  readonly events: number
  /** With events that are in no packet, and nothing that they wait for. */
  readonly partitions: number
}

const MiB = 1024 * 1024

/** Packets stay far below what one may hold, for making one must not keep everything else waiting. */
export const paceBounds: PaceBounds = {
  mode: 'live',
  bufferMs: 750,
  batchMs: 10_000,
  stretchMax: 4,
  idle: { events: 5_000, partitions: 16 },
  busy: { events: 100_000, partitions: 128 },
  batchFromEvents: 200_000,
  liveFromEvents: 50_000,
  live: { eventsMax: 8_000, bytesMax: 4 * MiB },
  batch: { eventsMax: 20_000, bytesMax: 12 * MiB },
}

/** An event that comes alone is sealed after this part of the buffer's time. */
const ALONE_FRACTION = 5

/** `before`: the mode so far. Between its two bounds it stays what it was, so that it does not flicker. */
export function paceOf(load: Load, before: PublishMode, bounds: PaceBounds): Pace {
  if (modeOf(load, before, bounds) === 'batch') {
    const lingerMs = Math.max(bounds.batchMs, bounds.bufferMs)
    return {
      mode: 'batch',
      lingerMs,
      behindMs: lingerMs,
      aloneMs: undefined,
      watermarkAfterMs: undefined,
      ...bounds.batch,
    }
  }
  const busyness = busynessOf(load, bounds)
  const lingerMs = Math.round(bounds.bufferMs * (1 + busyness * (bounds.stretchMax - 1)))
  return {
    mode: 'live',
    lingerMs,
    behindMs: bounds.bufferMs * bounds.stretchMax,
    aloneMs: busyness === 0 ? Math.ceil(bounds.bufferMs / ALONE_FRACTION) : undefined,
    watermarkAfterMs: Math.ceil(lingerMs / 2),
    ...bounds.live,
  }
}

function modeOf({ events }: Load, before: PublishMode, bounds: PaceBounds): PublishMode {
  if (bounds.mode === 'batch' || events >= bounds.batchFromEvents) return 'batch'
  return events > bounds.liveFromEvents ? before : 'live'
}

/** 0 at idle, 1 where it is busy in events or in partitions, and in between as much as the more pressing of them says. */
function busynessOf(load: Load, { idle, busy }: PaceBounds): number {
  const between = (now: number, low: number, high: number) =>
    Math.min(1, Math.max(0, (now - low) / (high - low)))
  return Math.max(
    between(load.events, idle.events, busy.events),
    between(load.partitions, idle.partitions, busy.partitions),
  )
}
