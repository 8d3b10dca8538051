import type { PublishMode } from '../core/log/publish-mode.ts'
import { openAlarm } from './alarm.ts'
import { findIdle, findOpen, type Work } from './find-work.ts'
import { type MakePacketsDeps, makePackets } from './make-packets.ts'
import { type Load, type PaceBounds, paceOf } from './pace.ts'
import { type PlaceBounds, placesFor, shareOf } from './places.ts'
import type { Lease, SealingLog } from './ports.ts'

/** Ends packets and makes them, until it is stopped; any number of processes may do so side by side. */
export type Sealer = {
  /** Called after every append. What it says is that it is worth to look again soon. */
  wake(): void
  mode(): PublishMode
  /** As of the last look. */
  load(): Load
  /**
   * Resolves once nothing is under way and others may take what we had. What has no packet then is durable all the
   * same, and sealed by them, or after the next start: nothing is sealed early because a process ends.
   */
  stop(): Promise<void>
}

export type SealerDeps = Omit<MakePacketsDeps, 'log'> & {
  readonly log: SealingLog
  readonly bounds: PaceBounds
  readonly timing?: Partial<SealerTiming>
  /** Events in packets of which there is no certificate yet. */
  backlog(): number | Promise<number>
  onMode(mode: PublishMode, load: Load): void
  /** `partitionId` undefined: all of them. It is tried again. */
  onFailure(error: unknown, partitionId: number | undefined): void
}

export type SealerTiming = PlaceBounds & {
  /** Between two looks where nobody wakes us: what others have appended is found then. */
  readonly pollMs: number
  /** So soon after an append we look, and not for each of them. */
  readonly wakeMs: number
  /** After a look nothing is read for so many times as long as it took: with many partitions it is the dearest part. */
  readonly restTimes: number
  readonly idleLookMs: number
  readonly sweepMs: number
  /** A lease is kept up so often while there is work under it. */
  readonly keepMs: number
  readonly againMs: number
  readonly againMsMax: number
}

export const sealerTiming: SealerTiming = {
  pollMs: 250,
  wakeMs: 25,
  restTimes: 8,
  idleLookMs: 500,
  sweepMs: 1_000,
  keepMs: 600,
  atOnce: 16,
  bytesAtOnce: 16 * 1024 * 1024,
  againMs: 250,
  againMsMax: 15_000,
}

/** Each has a connection meanwhile. */
const WAITING_AT_ONCE = 2

export function startSealer(deps: SealerDeps): Sealer {
  const timing = { ...sealerTiming, ...deps.timing }
  const clock = () => performance.now()
  const alarm = openAlarm(clock)
  const underWay = new Map<number, { readonly share: number; readonly done: Promise<void> }>()
  const failing = new Map<number, { readonly failures: number; readonly againMs: number }>()
  /** Due, and locked by an append when we looked. */
  const missed = new Set<number>()
  /** So many wait among the appends to their partitions. */
  let queueing = 0
  let mode: PublishMode = deps.bounds.mode
  let load: Load = { events: 0, partitions: 0 }
  /** Found without a place, or locked by an append, or not finished: gone on with before the next look. */
  let queued: readonly Work[] = []
  let [idleLookMs, sweepMs, restedMs] = [0, 0, 0]
  let stopping = false

  /** Begins what there is to do and room for; resolves with when to look again if nobody wakes us before. */
  const look = async (): Promise<number> => {
    const beganMs = clock()
    const unsealed = await deps.log.readUnsealed()
    load = { events: unsealed.events + (await deps.backlog()), partitions: unsealed.partitions }
    const pace = paceOf(load, mode, deps.bounds)
    if (pace.mode !== mode) deps.onMode(pace.mode, load)
    mode = pace.mode

    const { due, nextMs } = await findOpen(unsealed.heads, pace, deps)
    const seldom = await findSeldom()
    restedMs = clock() + Math.min(timing.restTimes * (clock() - beganMs), timing.pollMs)
    await begin([...due, ...seldom, ...queued.filter(isUnfinished)])
    return Math.min(nextMs, deps.now() + timing.pollMs)
  }

  const findSeldom = async (): Promise<readonly Work[]> => {
    const found: Work[] = []
    if (clock() >= idleLookMs) {
      idleLookMs = clock() + timing.idleLookMs
      found.push(...(await findIdle(await deps.log.readIdle(), deps)))
    }
    if (clock() >= sweepMs) {
      sweepMs = clock() + timing.sweepMs
      found.push(...(await deps.log.readUnmade()).map(partitionId => ({ partitionId, bytes: undefined })))
    }
    return found
  }

  const begin = async (due: readonly Work[]) => {
    const free = firstOfEach(due).filter(isFree)
    const places = placesFor(
      free.map(({ bytes }) => shareOf(bytes, timing)),
      [...underWay.values()].map(({ share }) => share),
      timing,
    )
    const now = free.slice(0, places)
    queued = free.slice(places)
    const waiting = now
      .filter(({ partitionId }) => missed.has(partitionId))
      .slice(0, Math.max(0, WAITING_AT_ONCE - queueing))
    for (const work of waiting) {
      missed.delete(work.partitionId)
      start(work, () => queueUp(work))
    }

    const others = now.filter(work => !waiting.includes(work))
    if (others.length === 0) return
    const leases = await deps.log.lease(others.map(({ partitionId }) => partitionId))
    for (const work of others) {
      const lease = leases.find(({ partitionId }) => partitionId === work.partitionId)
      if (lease !== undefined) {
        missed.delete(work.partitionId)
        start(work, async () => lease)
      } else {
        // Where appends follow each other closely, one has to queue up among them.
        missed.add(work.partitionId)
        queued = [...queued, work]
        alarm.ring(timing.wakeMs)
      }
    }
  }

  const queueUp = async ({ partitionId }: Work) => {
    queueing += 1
    try {
      return (await deps.log.lease([partitionId], { wait: true }))[0]
    } finally {
      queueing -= 1
    }
  }

  const isFree = ({ partitionId }: Work) =>
    !underWay.has(partitionId) && (failing.get(partitionId)?.againMs ?? 0) <= clock()

  const start = (work: Work, take: () => Promise<Lease | undefined>) => {
    const { partitionId } = work
    const done = sealUnder(work, take)
      .then(left => {
        failing.delete(partitionId)
        if (left === 'more') queued = [{ partitionId, bytes: undefined }, ...queued]
      })
      .catch(error => {
        // A partition that cannot be sealed keeps no other from it.
        const failures = (failing.get(partitionId)?.failures ?? 0) + 1
        const pauseMs = Math.min(timing.againMs * 2 ** Math.min(failures - 1, 20), timing.againMsMax)
        failing.set(partitionId, { failures, againMs: clock() + pauseMs })
        deps.onFailure(error, partitionId)
      })
      .finally(() => {
        underWay.delete(partitionId)
        alarm.ring(0)
      })
    underWay.set(partitionId, { share: shareOf(work.bytes, timing), done })
  }

  const sealUnder = async (work: Work, take: () => Promise<Lease | undefined>) => {
    const lease = await take()
    if (lease === undefined) return 'lost'
    let isKeeping = false
    const keep = async () => {
      if (isKeeping) return
      isKeeping = true
      // Where that fails it runs out, somebody else takes it, and what we write under it is refused.
      await deps.log.keepLease(lease).catch(() => false)
      isKeeping = false
    }
    const keeping = setInterval(keep, timing.keepMs)
    try {
      if ((await work.mark?.(lease)) === 'lost') return 'lost'
      return await makePackets(lease, deps)
    } finally {
      clearInterval(keeping)
    }
  }

  const run = async () => {
    while (!stopping) {
      const heard = alarm.set()
      let inMs = timing.pollMs
      try {
        if (clock() >= restedMs) inMs = Math.min((await look()) - deps.now(), timing.pollMs)
        else {
          await begin(queued)
          inMs = restedMs - clock()
        }
      } catch (error) {
        deps.onFailure(error, undefined)
      }
      alarm.ring(Math.max(1, inMs))
      if (!stopping) await heard
    }
    await Promise.all([...underWay.values()].map(({ done }) => done))
    await deps.log.letGo()
  }
  const running = run()

  return {
    wake: () => alarm.ring(timing.wakeMs),
    mode: () => mode,
    load: () => load,
    async stop() {
      stopping = true
      alarm.ring(0)
      await running
    },
  }
}

/** Its packets are marked: no look finds what is left of them. */
function isUnfinished({ mark }: Work): boolean {
  return mark === undefined
}

function firstOfEach(due: readonly Work[]): Work[] {
  const seen = new Set<number>()
  return due.filter(({ partitionId }) => !seen.has(partitionId) && seen.add(partitionId))
}
