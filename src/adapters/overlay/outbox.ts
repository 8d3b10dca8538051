import type { Queryable } from '../postgres/sql.ts'

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
  /** Each is told at its own pace: one that is silent keeps nobody else waiting. */
  readonly targets: readonly string[]
  /** Resolves once it needs not be told again; throws where it must be. */
  deliver(delivery: Delivery): Promise<void>
  /** Told of every delivery that failed, and whether it will be tried again. */
  onFailure(delivery: Delivery, error: unknown, again: boolean): void
}

/** So long nobody else takes up a delivery that is under way; longer than any delivery may take. */
const LEASE_MS = 60_000
const AT_ONCE = 8
const IDLE_MS = 1000
const BACK_OFF_MS = 500
const BACK_OFF_MS_MAX = 5 * 60_000
/** A peer that cannot be told for so long (about two days) has other ways to catch up. The network never counts as such. */
export const PEER_ATTEMPTS_MAX = 600
export const NETWORK = 'network'

/** Delivers what is due until it is stopped; any number of processes may do so side by side. */
export function startOutbox(deps: OutboxDeps): Outbox {
  // Also whoever was a target once, or is one of another process.
  const rounds = [...deps.targets, undefined].map(target => startRound(target, deps))
  return {
    wake() {
      for (const round of rounds) round.wake()
    },
    async stop() {
      await Promise.all(rounds.map(round => round.stop()))
    },
  }
}

export type Outbox = { wake(): void; stop(): Promise<void> }

/** Of one target; undefined: of all others. */
function startRound(target: string | undefined, deps: OutboxDeps): Outbox {
  let stopping = false
  let wake = () => {}
  const run = async () => {
    while (!stopping) {
      // Made before looking: what is written meanwhile must not wait out the pause.
      const pause = new Promise<void>(resolve => {
        const timer = setTimeout(resolve, IDLE_MS)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      const delivered = await deliverDue(target, deps)
      if (delivered === AT_ONCE) wake()
      await pause
    }
  }
  const running = run()
  return {
    wake: () => wake(),
    async stop() {
      stopping = true
      wake()
      await running
    },
  }
}

/** Resolves with how many were taken up. */
async function deliverDue(target: string | undefined, deps: OutboxDeps): Promise<number> {
  const due = await lease(target, deps)
  await Promise.all(due.map(each => deliverOne(each, deps)))
  return due.length
}

type Leased = Delivery & { readonly id: number }

async function lease(
  target: string | undefined,
  { db, now, targets, onFailure }: OutboxDeps,
): Promise<Leased[]> {
  try {
    const { rows } = await db.query<Leased>({
      name: 'lease-outbox',
      text: `update outbox set due_ms = $1::bigint + $2, attempts = attempts + 1
        where id in (
          select id from outbox where due_ms <= $1 and (target = $4 or ($4::text is null and target <> all ($5)))
            order by due_ms, id limit $3 for update skip locked)
        returning id, encode(txid, 'hex') as txid, target, topics, attempts`,
      values: [now(), LEASE_MS, AT_ONCE, target ?? null, targets],
    })
    return rows
  } catch (error) {
    onFailure({ txid: '', target: 'outbox', topics: [], attempts: 0 }, error, true)
    return []
  }
}

async function deliverOne(delivery: Leased, deps: OutboxDeps): Promise<void> {
  const { db, now } = deps
  try {
    try {
      await deps.deliver(delivery)
      await db.query({ name: 'delivered', text: 'delete from outbox where id = $1', values: [delivery.id] })
    } catch (error) {
      const again = delivery.target === NETWORK || delivery.attempts < PEER_ATTEMPTS_MAX
      deps.onFailure(delivery, error, again)
      if (again)
        await db.query({
          text: 'update outbox set due_ms = $2, last_error = $3 where id = $1',
          values: [delivery.id, now() + backOff(delivery.attempts), String(error).slice(0, 500)],
        })
      else await db.query({ text: 'delete from outbox where id = $1', values: [delivery.id] })
    }
  } catch (error) {
    // The database does not answer: the lease runs out, and somebody delivers it again.
    deps.onFailure(delivery, error, true)
  }
}

export function backOff(attempts: number): number {
  return Math.min(BACK_OFF_MS * 2 ** Math.min(attempts - 1, 20), BACK_OFF_MS_MAX)
}
