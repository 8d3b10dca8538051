import { setMaxListeners } from 'node:events'
import type { AskIdentity } from '../auth/ask-identity.ts'
import { HostRests } from '../overlay/host-rests.ts'

/** The key that a host has proven to hold; null where it answers and proves none. */
export type ProvenKey = string | null

export type HostIdentities = {
  /** The last that was seen of it; undefined where it has not answered yet. */
  lastOf(base: string): ProvenKey | undefined
  /** What it proves now, or has proven not long ago; rejects where it does not answer. */
  of(base: string, stop: AbortSignal): Promise<ProvenKey>
  /** Asks those whose last answer is old or missing, behind everybody's back; forgets all others. */
  keepAsking(hosts: readonly AskedHost[]): void
  /** Resolves once all that were to be asked have been. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export type AskedHost = {
  readonly base: string
  /** Somebody advertises it under another key than it proves: one of the two may have changed. */
  readonly isDoubted: boolean
}

export type HostIdentitiesDeps = {
  readonly ask: AskIdentity
  now(): number
  /** Told whenever a host has answered with another key than before. */
  onChange(): void
  readonly atOnceMax?: number
}

export const IDENTITY_KEPT_MS = 60 * 60_000
/** The owner of a host that has a new key should not wait for an hour. */
export const DOUBTED_KEPT_MS = 5 * 60_000
export const HANDSHAKES_AT_ONCE_MAX = 32

/** Who answers at the addresses that adverts name, in memory. */
export function openHostIdentities({
  ask,
  now,
  onChange,
  atOnceMax = HANDSHAKES_AT_ONCE_MAX,
}: HostIdentitiesDeps): HostIdentities {
  const seen = new Map<string, { readonly key: ProvenKey; readonly atMs: number }>()
  const underWay = new Map<string, Promise<ProvenKey>>()
  const rests = new HostRests(now)
  const stopping = new AbortController()
  // Every handshake under way listens.
  setMaxListeners(0, stopping.signal)
  let waiting: string[] = []
  let idle = () => {}
  let whenIdle = Promise.resolve()

  function isFresh(base: string, keptMs: number): boolean {
    return (seen.get(base)?.atMs ?? Number.NEGATIVE_INFINITY) > now() - keptMs
  }
  function askNow(base: string): Promise<ProvenKey> {
    const asked = underWay.get(base)
    if (asked !== undefined) return asked
    const asking = shakeHands(base).finally(() => {
      underWay.delete(base)
      askNext()
    })
    underWay.set(base, asking)
    return asking
  }
  async function shakeHands(base: string): Promise<ProvenKey> {
    try {
      const key = (await ask(base, stopping.signal)) ?? null
      rests.answered(base)
      const isChanged = seen.get(base)?.key !== key
      seen.set(base, { key, atMs: now() })
      if (isChanged) onChange()
      return key
    } catch (error) {
      rests.failed(base)
      throw error
    }
  }
  function askNext(): void {
    while (!stopping.signal.aborted && underWay.size < atOnceMax) {
      const base = waiting.shift()
      if (base === undefined) break
      // Nothing is lost: it rests, and is among those who wait the next time.
      askNow(base).catch(() => undefined)
    }
    if (waiting.length === 0 && underWay.size === 0) idle()
  }

  return {
    lastOf: base => seen.get(base)?.key,
    async of(base, stop) {
      const last = seen.get(base)
      if (last !== undefined && isFresh(base, IDENTITY_KEPT_MS)) return last.key
      if (rests.isResting(base)) throw new Error(`${base} has not said who it is, and is asked again later`)
      return orStopped(askNow(base), stop)
    },
    keepAsking(hosts) {
      const bases = new Set(hosts.map(({ base }) => base))
      for (const base of seen.keys()) if (!bases.has(base)) seen.delete(base)
      waiting = hosts
        .filter(({ base, isDoubted }) => !isFresh(base, isDoubted ? DOUBTED_KEPT_MS : IDENTITY_KEPT_MS))
        .map(({ base }) => base)
        .filter(base => !underWay.has(base) && !rests.isResting(base))
      whenIdle = new Promise(resolve => {
        idle = resolve
      })
      askNext()
    },
    settled: () => whenIdle,
    async stop() {
      waiting = []
      stopping.abort()
      await Promise.allSettled(underWay.values())
    },
  }
}

function orStopped<T>(answer: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new Error('nobody waits for it any more'))
    if (stop.aborted) end()
    stop.addEventListener('abort', end, { once: true })
    answer.then(resolve, reject).finally(() => stop.removeEventListener('abort', end))
  })
}
