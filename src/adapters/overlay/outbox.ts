import { setMaxListeners } from 'node:events'
import type { BeefTransaction } from '../../contract/beef.ts'
import { backOff } from '../../runtime/back-off.ts'
import { openPlaces } from '../../runtime/places.ts'
import { repeat } from '../../runtime/repeat.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { HostRests } from './host-rests.ts'
import { NETWORK } from './targets.ts'

/** One thing to tell somebody. */
export type Delivery = {
  readonly txid: string
  readonly target: string
  readonly topics: readonly string[]
  readonly attempts: number
}

export type OutboxDeps = {
  readonly db: Queryable
  now(): number
  /** Resolves once it needs not be told again, with whose outputs it spends if the network has it now; throws where it must be. */
  deliver(delivery: Delivery, stop: AbortSignal): Promise<readonly string[]>
  /** The same, for the network, of the last of these, which are all that it descends from. */
  broadcast(history: readonly BeefTransaction[]): Promise<readonly string[]>
  /** Whether this target is to be told anything at all any more. */
  isWanted(target: string): boolean
  /** The network has a transaction that spends outputs of these. */
  onNetworkHas?(spent: readonly string[]): void
  /** Told of every delivery that failed, and whether it will be tried again. */
  onFailure(delivery: Delivery, error: unknown, again: boolean): void
  /** So much waits for this target that it is told of nothing new, from now on; or no longer. */
  onFull?(target: string, isFull: boolean): void
}

export type Outbox = {
  /** `network`: there is nothing new for anybody else. */
  wake(whom?: 'network'): void
  /** So much waits for it that nothing more should. */
  isFull(target: string): boolean
  /** To tell the network of something as soon as it is written, without looking for it; undefined while there is no room. */
  takePlace(): NetworkPlace | undefined
  stop(): Promise<void>
}

/** Called once, with what is written: all that the last of these descends from, parents first. Undefined gives it back. */
export type NetworkPlace = (history: readonly BeefTransaction[] | undefined) => void

/** The host has answered: it is this one transaction that it does not take. */
export class PeerRefusal extends Error {}

/** It could not be put together here; whoever it is for was not called, and is no worse for it. */
export class Unsendable extends Error {}

/** So long nobody else takes up a delivery that is under way; longer than any delivery may take. */
const LEASE_MS = 60_000
const IDLE_MS = 1000
const NETWORK_AT_ONCE = 8
const HOST_AT_ONCE = 8
/** Of all hosts that have answered last time. */
const ANSWERING_AT_ONCE = 32
/** Of all others, one call each: what they keep waiting is only each other. */
const DOUBTFUL_AT_ONCE = 64
/** A peer that cannot be told for so long (about two days) has other ways to catch up. The network never counts as such. */
export const PEER_ATTEMPTS_MAX = 600
/** What waits for one host, silent or slow. Beyond that it has to ask for what it missed. */
export const WAITING_PER_HOST_MAX = 10_000
/** So little has to be left before it is told of what is new again: in between it would miss some of that over and over. */
export const WAITING_PER_HOST_AGAIN = WAITING_PER_HOST_MAX / 2
/** What a host refuses, or nobody here can put together, so often keeps what comes after it waiting no longer; it is told on beside it. */
export const REFUSALS_IN_ORDER_MAX = 3

/** Delivers what is due until it is stopped; any number of processes may do so side by side. */
export function startOutbox(deps: OutboxDeps): Outbox {
  const stopping = new AbortController()
  // Every call under way listens.
  setMaxListeners(0, stopping.signal)
  const peers = new PeerRounds(deps, stopping.signal)
  const pauses = { everyMs: IDLE_MS, onFailure: (error: unknown) => deps.onFailure(nothing, error, true) }
  const places = openPlaces(NETWORK_AT_ONCE, () => network.wake())
  let placesTaken = 0
  const atOnce = new Set<string>()
  // Then what is new waits behind what is due, however many places come free meanwhile.
  let isBehind = false
  const tellDue = async () => {
    // Less than none: places are taken also while we lease, so that for a moment twice as many may be under way.
    const room = places.free()
    const due = room > 0 ? await leaseInNoOrder([{ target: NETWORK, room }], deps) : []
    isBehind = due.length >= room
    // What is being told at once, and takes long, is not told twice: however that ends, its row says so.
    for (const each of due)
      if (!atOnce.has(each.txid)) places.begin(String(each.id), () => deliverOne(each, deps, stopping.signal))
    return isBehind && places.free() > 0 ? 'more' : 'all'
  }
  const network = repeat(tellDue, pauses)
  const others = repeat(() => peers.round(), pauses)
  peers.onRoom = others.wake
  return {
    wake(whom) {
      network.wake()
      if (whom === undefined) others.wake()
    },
    isFull: target => peers.isFull(target),
    takePlace() {
      if (stopping.signal.aborted || isBehind || places.free() <= 0) return undefined
      let use: NetworkPlace = () => {}
      const written = new Promise<readonly BeefTransaction[] | undefined>(resolve => {
        use = resolve
      })
      placesTaken += 1
      places.begin(`at once ${placesTaken}`, async () => {
        const history = await written
        const txid = history?.at(-1)?.txid
        // For other topics it may come while it is being told.
        if (history === undefined || txid === undefined || atOnce.has(txid)) return
        atOnce.add(txid)
        await tellAtOnce(txid, history, deps, stopping.signal)
        atOnce.delete(txid)
      })
      return use
    },
    async stop() {
      stopping.abort()
      await Promise.all([network.stop(), others.stop()])
      await Promise.all([peers.done(), places.done()])
    },
  }
}

async function tellAtOnce(
  txid: string,
  history: readonly BeefTransaction[],
  deps: OutboxDeps,
  stop: AbortSignal,
): Promise<void> {
  const { db, now, onNetworkHas, onFailure } = deps
  const row = [bytea(txid), NETWORK]
  const delivery: Delivery = { txid, target: NETWORK, topics: [], attempts: 1 }
  try {
    try {
      const spent = await deps.broadcast(history)
      const text = 'delete from outbox where txid = $1 and target = $2'
      await db.query({ name: 'told-at-once', text, values: row })
      onNetworkHas?.(spent)
    } catch (error) {
      if (!stop.aborted) onFailure(delivery, error, true)
      // Where we stop, whatever runs next takes it up at once.
      const dueMs = now() + (stop.aborted ? 0 : backOff(delivery.attempts))
      await db.query({
        text: `update outbox set due_ms = $3, attempts = attempts + 1, last_error = $4 where txid = $1 and target = $2`,
        values: [...row, dueMs, keptText(String(error))],
      })
    }
  } catch (error) {
    // The database does not answer: it is due soon as it was written, and somebody tells it.
    onFailure(delivery, error, true)
  }
}

/**
 * All other targets share a few places. Each host has its own rest after a failure, and a host that has not answered
 * last time takes no place from those that have; so one that is silent or slow keeps nobody else waiting.
 */
class PeerRounds {
  onRoom = () => {}
  readonly #deps: OutboxDeps
  readonly #stop: AbortSignal
  readonly #rests: HostRests
  readonly #underWay = new Map<Promise<void>, { target: string; isDoubtful: boolean }>()
  readonly #full = new Set<string>()
  /** Whose turn was longest ago goes first. */
  readonly #turns = new Map<string, number>()
  #turn = 0

  constructor(deps: OutboxDeps, stop: AbortSignal) {
    this.#deps = deps
    this.#stop = stop
    this.#rests = new HostRests(deps.now)
  }

  isFull(target: string): boolean {
    return this.#full.has(target)
  }

  async done(): Promise<void> {
    await Promise.all(this.#underWay.keys())
  }

  async round(): Promise<'more' | 'all'> {
    const { db, now, isWanted } = this.#deps
    const due = await targetsDue(db, now())
    const unwanted = due.filter(({ target }) => !isWanted(target))
    if (unwanted.length > 0)
      await forget(
        unwanted.map(({ target }) => target),
        db,
      )
    const places = this.#places(due.filter(({ target }) => isWanted(target)))
    if (places.length === 0) return 'all'
    const leased = await lease(places, this.#deps)
    for (const delivery of leased) this.#begin(delivery)
    return leased.length > 0 ? 'more' : 'all'
  }

  /** Who is told in this round, and of how much. */
  #places(due: readonly Due[]): Place[] {
    const busy = (isDoubtful: boolean) =>
      [...this.#underWay.values()].filter(each => each.isDoubtful === isDoubtful).length
    const room = { answering: ANSWERING_AT_ONCE - busy(false), doubtful: DOUBTFUL_AT_ONCE - busy(true) }
    const turnOf = (target: string) => this.#turns.get(target) ?? 0
    const places: Place[] = []
    for (const { target, count } of [...due].sort((a, b) => turnOf(a.target) - turnOf(b.target))) {
      if (this.#rests.isResting(target)) continue
      const pool = this.#rests.hasAnswered(target) ? 'answering' : 'doubtful'
      const own = (pool === 'doubtful' ? 1 : HOST_AT_ONCE) - this.#busyWith(target)
      const given = Math.min(own, room[pool], count)
      if (given <= 0) continue
      room[pool] -= given
      places.push({ target, room: given })
    }
    return places
  }

  #busyWith(target: string): number {
    return [...this.#underWay.values()].filter(each => each.target === target).length
  }

  #begin(delivery: Leased): void {
    const { target } = delivery
    this.#turn += 1
    this.#turns.set(target, this.#turn)
    if (this.#turns.size > TURNS_REMEMBERED_MAX) this.#turns.clear()
    const running = deliverOne(delivery, this.#deps, this.#stop, this.#rests)
      .then(() => this.#judgeRoom(target))
      .finally(() => {
        this.#underWay.delete(running)
        this.onRoom()
      })
    this.#underWay.set(running, { target, isDoubtful: !this.#rests.hasAnswered(target) })
  }

  async #judgeRoom(target: string): Promise<void> {
    const mayBeFull = this.#full.has(target) || this.#rests.failures(target) >= FAILURES_BEFORE_COUNTING
    if (!mayBeFull && this.#turn % TURNS_BETWEEN_COUNTS !== 0) return
    try {
      const wasFull = this.#full.has(target)
      const isFull = await waits(
        target,
        wasFull ? WAITING_PER_HOST_AGAIN : WAITING_PER_HOST_MAX,
        this.#deps.db,
      )
      if (isFull === wasFull) return
      if (isFull) this.#full.add(target)
      else this.#full.delete(target)
      this.#deps.onFull?.(target, isFull)
    } catch (error) {
      this.#deps.onFailure(nothing, error, true)
    }
  }
}

const TURNS_REMEMBERED_MAX = 10_000
const FAILURES_BEFORE_COUNTING = 5
/** Of hosts that answer, and may be slower than what is new. */
const TURNS_BETWEEN_COUNTS = 50

/** How much of what waits for the target may be taken in hand now, as far as anybody takes at once. */
type Due = { readonly target: string; readonly count: number }
type Place = { readonly target: string; readonly room: number }
type Leased = Delivery & { readonly id: number; readonly inOrder: boolean; readonly refusals: number }

const nothing: Delivery = { txid: '', target: 'outbox', topics: [], attempts: 0 }

/**
 * A few looks at indexes for each target there is, however much waits for it. What waits behind the first of its order is
 * not due: a place that is given out for it is one that somebody else could have used.
 */
async function targetsDue(db: Queryable, nowMs: number): Promise<Due[]> {
  const { rows } = await db.query<Due>({
    name: 'targets-due',
    text: `with recursive known (target) as (
        (select target from outbox order by target limit 1)
        union all
        select next.target from known cross join lateral
          (select target from outbox where target > known.target order by target limit 1) as next
      )
      select target, (heads.n + others.n)::int as count from known
        cross join lateral (select count(*) as n from
          (select due_ms from outbox where outbox.target = known.target and in_order order by id limit 1) as head
          where due_ms <= $1) as heads
        cross join lateral (select count(*) as n from
          (select from outbox where outbox.target = known.target and not in_order and due_ms <= $1
            order by due_ms, id limit $3) as other) as others
      where target <> $2 and heads.n + others.n > 0`,
    values: [nowMs, NETWORK, HOST_AT_ONCE],
  })
  return rows
}

/** What has an order first, as what follows waits for it. */
async function lease(places: readonly Place[], deps: OutboxDeps): Promise<Leased[]> {
  const heads = await leaseHeads(places, deps)
  const busy = new Set(heads.map(({ target }) => target))
  const others = places.flatMap(({ target, room }) => {
    const left = room - (busy.has(target) ? 1 : 0)
    return left > 0 ? [{ target, room: left }] : []
  })
  return others.length === 0 ? heads : [...heads, ...(await leaseInNoOrder(others, deps))]
}

/** The first of what is told in order, where nobody has it in hand: the next one waits until it is done with. */
async function leaseHeads(places: readonly Place[], { db, now }: OutboxDeps): Promise<Leased[]> {
  const { rows } = await db.query<Leased>({
    name: 'lease-outbox-heads',
    text: `update outbox set due_ms = $1::bigint + $2, attempts = attempts + 1
      where id in (
        select due.id from unnest($3::text[]) as place (target) cross join lateral
          (select id from outbox where due_ms <= $1 and id = (
              select id from outbox as first where first.target = place.target and first.in_order order by id limit 1)
            for update skip locked) as due)
      returning ${leased}`,
    values: [now(), LEASE_MS, places.map(({ target }) => target)],
  })
  return rows
}

async function leaseInNoOrder(places: readonly Place[], { db, now }: OutboxDeps): Promise<Leased[]> {
  const { rows } = await db.query<Leased>({
    name: 'lease-outbox',
    // As in read-known.ts: no plan depends on what it holds.
    text: `update outbox set due_ms = $1::bigint + $2, attempts = attempts + 1
      where id in (
        select due.id from unnest((select $3::text[]), (select $4::integer[])) as place (target, room) cross join lateral
          (select id from outbox where target = place.target and due_ms <= (select $1::bigint) and not in_order
            order by due_ms, id limit place.room for update skip locked) as due)
      returning ${leased}`,
    values: [now(), LEASE_MS, places.map(({ target }) => target), places.map(({ room }) => room)],
  })
  return rows
}

const leased = `id, encode(txid, 'hex') as txid, target, topics, attempts, in_order as "inOrder", refusals`

async function forget(targets: readonly string[], db: Queryable): Promise<void> {
  await db.query({ text: 'delete from outbox where target = any ($1)', values: [targets] })
}

/** Whether so much waits for it, or more. */
async function waits(target: string, count: number, db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ n: number }>({
    text: 'select count(*)::int as n from (select from outbox where target = $1 limit $2) as waiting',
    values: [target, count],
  })
  return rows[0]?.n === count
}

async function deliverOne(
  delivery: Leased,
  deps: OutboxDeps,
  stop: AbortSignal,
  rests?: HostRests,
): Promise<void> {
  const { db } = deps
  const { id, target } = delivery
  try {
    try {
      const spent = await deps.deliver(delivery, stop)
      rests?.answered(target)
      await db.query({ name: 'delivered', text: 'delete from outbox where id = $1', values: [id] })
      if (target === NETWORK) deps.onNetworkHas?.(spent)
    } catch (error) {
      if (stop.aborted) return await takeBack(delivery, deps)
      if (error instanceof PeerRefusal) rests?.answered(target)
      else if (!(error instanceof Unsendable)) rests?.failed(target)
      await putOff(delivery, error, deps)
    }
  } catch (error) {
    // The database does not answer: the lease runs out, and somebody delivers it again.
    deps.onFailure(delivery, error, true)
  }
}

/** Whatever runs next takes it up at once. */
async function takeBack({ id }: Leased, { db, now }: OutboxDeps): Promise<void> {
  await db.query({
    text: 'update outbox set due_ms = $2, attempts = attempts - 1 where id = $1',
    values: [id, now()],
  })
}

async function putOff(delivery: Leased, error: unknown, { db, now, onFailure }: OutboxDeps): Promise<void> {
  const { id, target, attempts, refusals } = delivery
  const again = target === NETWORK || attempts < PEER_ATTEMPTS_MAX
  onFailure(delivery, error, again)
  if (!again) {
    await db.query({ text: 'delete from outbox where id = $1', values: [id] })
    return
  }
  const isAboutIt = error instanceof PeerRefusal || error instanceof Unsendable
  const refused = refusals + (isAboutIt ? 1 : 0)
  const tries = delivery.inOrder && isAboutIt ? refused : attempts
  await db.query({
    text: `update outbox set due_ms = $2, last_error = $3, refusals = $4, is_aside = is_aside or $5,
      in_order = in_order and not $5 where id = $1`,
    values: [
      id,
      now() + backOff(tries),
      keptText(String(error)),
      refused,
      delivery.inOrder && refused >= REFUSALS_IN_ORDER_MAX,
    ],
  })
}
