import { setMaxListeners } from 'node:events'
import { backOff } from '../../runtime/back-off.ts'
import { repeat } from '../../runtime/repeat.ts'
import type { Queryable } from '../postgres/sql.ts'
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
  /** Resolves once it needs not be told again; throws where it must be. */
  deliver(delivery: Delivery, stop: AbortSignal): Promise<void>
  /** Whether this target is to be told anything at all any more. */
  isWanted(target: string): boolean
  /** Told of every delivery that is done with. */
  onDelivered?(delivery: Delivery): void
  /** Told of every delivery that failed, and whether it will be tried again. */
  onFailure(delivery: Delivery, error: unknown, again: boolean): void
}

export type Outbox = {
  /** `network`: there is nothing new for anybody else. */
  wake(whom?: 'network'): void
  /** It has not answered for long, and so much waits for it that nothing more should. */
  isFull(target: string): boolean
  stop(): Promise<void>
}

/** The host has answered: it is this one transaction that it does not take. */
export class PeerRefusal extends Error {}

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
/** What waits for one host while it does not answer. Beyond that it has to ask for what it missed. */
export const WAITING_PER_HOST_MAX = 10_000

/** Delivers what is due until it is stopped; any number of processes may do so side by side. */
export function startOutbox(deps: OutboxDeps): Outbox {
  const stopping = new AbortController()
  // Every call under way listens.
  setMaxListeners(0, stopping.signal)
  const peers = new PeerRounds(deps, stopping.signal)
  const pauses = { everyMs: IDLE_MS, onFailure: (error: unknown) => deps.onFailure(nothing, error, true) }
  const network = repeat(() => tellNetwork(deps, stopping.signal), pauses)
  const others = repeat(() => peers.round(), pauses)
  peers.onRoom = others.wake
  return {
    wake(whom) {
      network.wake()
      if (whom === undefined) others.wake()
    },
    isFull: target => peers.isFull(target),
    async stop() {
      stopping.abort()
      await Promise.all([network.stop(), others.stop()])
      await peers.done()
    },
  }
}

async function tellNetwork(deps: OutboxDeps, stop: AbortSignal): Promise<'more' | 'all'> {
  const due = await lease([{ target: NETWORK, room: NETWORK_AT_ONCE }], deps)
  await Promise.all(due.map(each => deliverOne(each, deps, stop)))
  return due.length === NETWORK_AT_ONCE ? 'more' : 'all'
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
    const unwanted = due.filter(target => !isWanted(target))
    if (unwanted.length > 0) await forget(unwanted, db)
    const places = this.#places(due.filter(target => isWanted(target)))
    if (places.length === 0) return 'all'
    const leased = await lease(places, this.#deps)
    for (const delivery of leased) this.#begin(delivery)
    return leased.length > 0 ? 'more' : 'all'
  }

  /** Who is told in this round, and of how much. */
  #places(due: readonly string[]): Place[] {
    const busy = (isDoubtful: boolean) =>
      [...this.#underWay.values()].filter(each => each.isDoubtful === isDoubtful).length
    const room = { answering: ANSWERING_AT_ONCE - busy(false), doubtful: DOUBTFUL_AT_ONCE - busy(true) }
    const turnOf = (target: string) => this.#turns.get(target) ?? 0
    const places: Place[] = []
    for (const target of [...due].sort((a, b) => turnOf(a) - turnOf(b))) {
      if (this.#rests.isResting(target)) continue
      const pool = this.#rests.hasAnswered(target) ? 'answering' : 'doubtful'
      const own = (pool === 'doubtful' ? 1 : HOST_AT_ONCE) - this.#busyWith(target)
      const given = Math.min(own, room[pool])
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
    if (this.#rests.failures(target) < FAILURES_BEFORE_COUNTING) {
      this.#full.delete(target)
      return
    }
    try {
      if (await isOverfull(target, this.#deps.db)) this.#full.add(target)
    } catch (error) {
      this.#deps.onFailure(nothing, error, true)
    }
  }
}

const TURNS_REMEMBERED_MAX = 10_000
const FAILURES_BEFORE_COUNTING = 5

type Place = { readonly target: string; readonly room: number }
type Leased = Delivery & { readonly id: number }

const nothing: Delivery = { txid: '', target: 'outbox', topics: [], attempts: 0 }

/** One look at the index for each target there is, however much waits for it. */
async function targetsDue(db: Queryable, nowMs: number): Promise<string[]> {
  const { rows } = await db.query<{ target: string }>({
    name: 'targets-due',
    text: `with recursive first (target, due_ms) as (
        (select target, due_ms from outbox order by target, due_ms limit 1)
        union all
        select next.target, next.due_ms from first cross join lateral
          (select target, due_ms from outbox where target > first.target order by target, due_ms limit 1) as next
      )
      select target from first where due_ms <= $1 and target <> $2`,
    values: [nowMs, NETWORK],
  })
  return rows.map(({ target }) => target)
}

async function lease(places: readonly Place[], { db, now }: OutboxDeps): Promise<Leased[]> {
  const { rows } = await db.query<Leased>({
    name: 'lease-outbox',
    text: `update outbox set due_ms = $1::bigint + $2, attempts = attempts + 1
      where id in (
        select due.id from unnest($3::text[], $4::integer[]) as place (target, room) cross join lateral
          (select id from outbox where target = place.target and due_ms <= $1
            order by due_ms, id limit place.room for update skip locked) as due)
      returning id, encode(txid, 'hex') as txid, target, topics, attempts`,
    values: [now(), LEASE_MS, places.map(({ target }) => target), places.map(({ room }) => room)],
  })
  return rows
}

async function forget(targets: readonly string[], db: Queryable): Promise<void> {
  await db.query({ text: 'delete from outbox where target = any ($1)', values: [targets] })
}

async function isOverfull(target: string, db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ n: number }>({
    text: 'select count(*)::int as n from (select from outbox where target = $1 limit $2) as waiting',
    values: [target, WAITING_PER_HOST_MAX],
  })
  return rows[0]?.n === WAITING_PER_HOST_MAX
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
      await deps.deliver(delivery, stop)
      rests?.answered(target)
      await db.query({ name: 'delivered', text: 'delete from outbox where id = $1', values: [id] })
      deps.onDelivered?.(delivery)
    } catch (error) {
      if (stop.aborted) return await takeBack(delivery, deps)
      if (error instanceof PeerRefusal) rests?.answered(target)
      else rests?.failed(target)
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
  const { id, target, attempts } = delivery
  const again = target === NETWORK || attempts < PEER_ATTEMPTS_MAX
  onFailure(delivery, error, again)
  if (again)
    await db.query({
      text: 'update outbox set due_ms = $2, last_error = $3 where id = $1',
      values: [id, now() + backOff(attempts), String(error).slice(0, 500)],
    })
  else await db.query({ text: 'delete from outbox where id = $1', values: [id] })
}
