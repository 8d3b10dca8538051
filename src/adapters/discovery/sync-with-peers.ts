import { setMaxListeners } from 'node:events'
import { repeat } from '../../runtime/repeat.ts'
import { HostRests } from '../overlay/host-rests.ts'
import { PeerRefusal } from '../overlay/outbox.ts'
import type { Peer } from './peers.ts'
import { type SyncDeps, syncWithPeer, type Turn } from './sync-peer.ts'
import { forgetOldProgress } from './sync-progress.ts'

export type SyncWithPeersDeps = Omit<SyncDeps, 'stop'> & {
  peers(): readonly Peer[]
  onFailure(peer: string, error: unknown): void
  /** Between two looks at a peer that had no more. */
  readonly intervalMs?: number
}

export type SyncWithPeers = {
  /** Asks them all, without waiting until they are due. */
  wake(): void
  stop(): Promise<void>
}

export const SYNC_INTERVAL_MS = 60_000
const LOOK_MS = 500
const PROMISING_AT_ONCE = 8
/** Peers that have failed, that brought nothing new in a whole turn, or that nobody knows yet. */
const DOUBTFUL_AT_ONCE = 8
const NOTHING_NEW_PAUSE_MS = 5000

/**
 * Asks every peer for what this node has missed: when it first appears, after each start, and from time to time. A turn
 * is bounded, and a peer that wastes its turns takes no place from those that do not.
 */
export function syncWithPeers(deps: SyncWithPeersDeps): SyncWithPeers {
  const { peers, now, onFailure, intervalMs = SYNC_INTERVAL_MS } = deps
  const stopping = new AbortController()
  // Every call under way listens.
  setMaxListeners(0, stopping.signal)
  const rests = new HostRests(now)
  const dueMs = new Map<string, number>()
  const promising = new Set<string>()
  const underWay = new Map<string, { readonly isPromising: boolean; readonly running: Promise<void> }>()

  async function turn(peer: Peer): Promise<void> {
    const { name } = peer
    try {
      const turns = await turnsWith(peer, { ...deps, stop: stopping.signal })
      rests.answered(name)
      if (turns.includes('nothing-new')) promising.delete(name)
      else promising.add(name)
      // By chance, so that several processes do not go on asking at the same moment.
      const pauseMs = intervalMs * (0.75 + Math.random() / 2)
      const pause = turns.includes('news')
        ? 0
        : turns.includes('nothing-new')
          ? NOTHING_NEW_PAUSE_MS
          : pauseMs
      dueMs.set(name, now() + pause)
    } catch (error) {
      if (stopping.signal.aborted) return
      promising.delete(name)
      rests.failed(name)
      dueMs.set(name, now())
      onFailure(name, error)
    }
  }

  const round = async () => {
    const all = peers()
    const names = new Set(all.map(({ name }) => name))
    for (const name of dueMs.keys()) if (!names.has(name)) dueMs.delete(name)
    for (const name of promising) if (!names.has(name)) promising.delete(name)
    const due = all
      .filter(({ name }) => (dueMs.get(name) ?? 0) <= now() && !rests.isResting(name) && !underWay.has(name))
      .sort((a, b) => (dueMs.get(a.name) ?? 0) - (dueMs.get(b.name) ?? 0))
    for (const peer of due) {
      const isPromising = promising.has(peer.name)
      const busy = [...underWay.values()].filter(each => each.isPromising === isPromising).length
      if (busy >= (isPromising ? PROMISING_AT_ONCE : DOUBTFUL_AT_ONCE)) continue
      const running = turn(peer).finally(() => {
        underWay.delete(peer.name)
        looking.wake()
      })
      underWay.set(peer.name, { isPromising, running })
    }
  }
  const looking = repeat(round, { everyMs: LOOK_MS, onFailure: error => onFailure('nobody', error) })
  const forgotten = forgetOldProgress(deps.pool, now()).catch(error => onFailure('nobody', error))

  return {
    wake() {
      dueMs.clear()
      looking.wake()
    },
    async stop() {
      stopping.abort()
      await Promise.all([forgotten, looking.stop()])
      await Promise.all([...underWay.values()].map(({ running }) => running))
    },
  }
}

/** With each of its topics; throws where it has none of them, or does not answer. */
async function turnsWith(peer: Peer, deps: SyncDeps): Promise<Turn[]> {
  const turns: Turn[] = []
  let refusal: unknown
  for (const topic of peer.topics)
    try {
      if (deps.stop.aborted) break
      turns.push(await syncWithPeer(peer, topic, deps))
    } catch (error) {
      if (!(error instanceof PeerRefusal)) throw error
      refusal = error
    }
  if (turns.length === 0 && refusal !== undefined) throw refusal
  return turns
}
