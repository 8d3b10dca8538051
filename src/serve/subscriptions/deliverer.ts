import type { Reader } from '../../core/registry/may-read.ts'
import type { KnownPartition } from '../live/ports.ts'
import { deliverNext, type Kept, keep } from './deliver-next.ts'
import type { DelivererDeps } from './ports.ts'
import { openSharedReading } from './shared-reading.ts'

/** Delivers to webhooks, one delivery at a time to each; any number of processes may do so side by side. */
export type Deliverer = {
  /** Something may be new. */
  wake(): void
  /** One was made or changed here. */
  changed(): void
  /** Begins what is due. Nothing waits for a receiver but its own subscription. */
  look(): Promise<void>
  held(): number
  /** Active ones that no process delivers, as far as this one has looked: only where it has no room. */
  unheld(): number
  /** Since when the one fails that has failed longest; undefined where none does. */
  failingSinceMs(): number | undefined
  openCircuits(): number
  stop(): Promise<void>
}

/** Between two times that this process says it is there. */
const STAY_MS = 1_000
const ACCESS_MS = 1_000
/** One owner's deliveries are that part of all at most, so that none takes everybody's turn. */
const OWNERS_PART = 1 / 4

export function openDeliverer(deps: DelivererDeps): Deliverer {
  const { store, hosts, bounds, now, holder, events } = deps
  const kept = new Map<string, Kept>()
  const underWay = new Map<
    string,
    { readonly host: string; readonly ownerKey: string; readonly done: Promise<void> }
  >()
  const stopping = new AbortController()
  const sharing = openSharedReading(deps.readPieces)
  const access = openAccess(deps)
  let [isWoken, stayedMs, isTaking, unheld] = [true, Number.NEGATIVE_INFINITY, true, 0]

  const stayAndTake = async () => {
    if (now() - stayedMs >= STAY_MS) {
      stayedMs = now()
      await store.expire()
      const ours = await store.stay(holder)
      for (const [id, { held }] of kept) if (ours.get(id) !== held.holdToken) kept.delete(id)
      isTaking = true
    }
    if (!isTaking) return
    isTaking = false
    await take()
    unheld = kept.size < bounds.heldMax ? 0 : await store.countUnheld()
  }

  const take = async () => {
    const taken = await store.take(holder, bounds.heldMax - kept.size, [...kept.keys()])
    // What was held here before, and changed since, is taken anew.
    for (const held of taken) {
      const one = keep(held, deps.positions)
      if (one.ok) kept.set(held.subscriptionId, one.value)
      else events.onFailure(new Error(`subscription ${held.subscriptionId}: ${one.fault.detail}`))
    }
  }

  const busy = (of: { readonly host?: string; readonly ownerKey?: string }) => {
    let count = 0
    for (const each of underWay.values())
      if (each.host === of.host || each.ownerKey === of.ownerKey) count += 1
    return count
  }

  const perOwnerAtOnce = Math.max(1, Math.floor(bounds.atOnce * OWNERS_PART))
  const mayCall = (host: string, ownerKey: string) => {
    const door = doorOf(host, ownerKey)
    return (
      !hosts.isResting(door) &&
      busy({ host }) < (hosts.hasAnswered(door) ? bounds.perHostAtOnce : 1) &&
      busy({ ownerKey }) < perOwnerAtOnce
    )
  }

  const begin = (one: Kept, host: string) => {
    const id = one.held.subscriptionId
    const done = work(one, host)
      .catch(error => {
        // Of the database or the log: it is tried again in a moment, and takes nobody else's place.
        one.isAwake = true
        one.dueMs = now() + STAY_MS
        events.onFailure(error)
      })
      .finally(() => {
        underWay.delete(id)
        // Those that were looked at longest ago go first.
        if (kept.get(id) === one) {
          kept.delete(id)
          kept.set(id, one)
        }
        if (one.isAwake) deps.lookSoon()
      })
    underWay.set(id, { host, ownerKey: one.held.ownerKey, done })
  }

  const work = async (one: Kept, host: string) => {
    const door = doorOf(host, one.held.ownerKey)
    const { reader, partitions } = await access.of(one.held.ownerKey)
    const isOurs = await deliverNext(one, {
      ...deps,
      ...{ reader, partitions, stop: stopping.signal },
      readShared: sharing.read,
      onCalled: hasAnswered => (hasAnswered ? hosts.answered(door) : hosts.failed(door)),
    })
    if (isOurs || kept.get(one.held.subscriptionId) !== one) return
    kept.delete(one.held.subscriptionId)
    one.isAwake = false
    isTaking = true
  }

  return {
    wake() {
      isWoken = true
    },
    changed() {
      isTaking = true
    },
    async look() {
      if (stopping.signal.aborted) return
      await stayAndTake()
      sharing.forget()
      if (isWoken) for (const one of kept.values()) one.isAwake = true
      isWoken = false
      for (const [id, one] of [...kept]) {
        if (underWay.size >= bounds.atOnce) return
        if (!one.isAwake || one.dueMs > now() || underWay.has(id)) continue
        const { host } = new URL(one.held.callbackUrl)
        if (mayCall(host, one.held.ownerKey)) begin(one, host)
      }
    },
    held: () => kept.size,
    unheld: () => unheld,
    failingSinceMs() {
      const since = [...kept.values()].flatMap(({ held }) => held.state.failingSinceMs ?? [])
      return since.length === 0 ? undefined : Math.min(...since)
    },
    openCircuits: () =>
      new Set(
        [...kept.values()]
          .map(({ held }) => doorOf(new URL(held.callbackUrl).host, held.ownerKey))
          .filter(door => hosts.isResting(door)),
      ).size,
    async stop() {
      stopping.abort()
      await Promise.all([...underWay.values()].map(({ done }) => done))
      await store.leave(holder)
    },
  }
}

/** A host as one owner knows it: paths that a stranger names there may hang as they like, and say nothing of those of others. */
function doorOf(host: string, ownerKey: string): string {
  return `${ownerKey} ${host}`
}

type Access = { readonly reader: Reader; readonly partitions: ReadonlyMap<number, KnownPartition> }

/** Who may read what, a second old at most. */
function openAccess({ readPartitions, findReader, now }: DelivererDeps) {
  let [readMs, partitions] = [Number.NEGATIVE_INFINITY, Promise.resolve<Access['partitions']>(new Map())]
  let readers = new Map<string, Promise<Reader>>()
  return {
    async of(identityKey: string): Promise<Access> {
      if (Math.abs(now() - readMs) >= ACCESS_MS) {
        readMs = now()
        readers = new Map()
        partitions = readPartitions().then(known => new Map(known.map(each => [each.partitionId, each])))
        // A failure is not to stand for a second.
        partitions.catch(() => {
          readMs = Number.NEGATIVE_INFINITY
        })
      }
      const asked = readers.get(identityKey) ?? findReader(identityKey)
      readers.set(identityKey, asked)
      const [reader, known] = await Promise.all([asked, partitions])
      return { reader, partitions: known }
    },
  }
}
