import { backOff } from '../../runtime/back-off.ts'
import { pause } from '../../runtime/pause.ts'
import { openPlaces } from '../../runtime/places.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import type { Unsent } from './send.ts'

export type SenderDeps = {
  readonly db: Queryable
  now(): number
  /** False: this process has no overlay, and leaves what is for topics to others. */
  readonly hasOverlay: boolean
  /** Resolves once there is a word on it; throws where it has to be sent again. */
  send(unsent: Unsent): Promise<void>
  onUnsent(txid: string, error: unknown): void
}

export type Sender = {
  /** Looks at once; `soon`: and a few more times, as what is to be sent may be committed in a moment only. */
  wake(soon?: 'soon'): void
  stop(): Promise<void>
}

/** So long nobody else takes up what a process sends that may have died. Longer than sending may take. */
export const LEASE_MS = 60_000
/** Planned are four a second and more, and a network may take seconds to answer each. */
const AT_ONCE = 32
const IDLE_MS = 500
const SOON_MS = 4
const BACK_OFF_MS_MAX = 10_000

/** Sends what is due until it is stopped; any number of processes may do so side by side. */
export function startSender(deps: SenderDeps): Sender {
  let isStopped = false
  let pauseMs = IDLE_MS
  let interrupt = new AbortController()
  // One that the network takes long to answer about holds up no other. Where it takes longer than its lease, it is leased
  // again here, and not sent beside itself.
  const places = openPlaces(AT_ONCE, () => interrupt.abort())
  async function run() {
    while (!isStopped) {
      // Made before looking: what is written meanwhile must not wait out the pause.
      interrupt = new AbortController()
      const room = places.free()
      const due = await lease(deps, room)
      for (const each of due) places.begin(each.txid, () => sendOne(each, deps))
      if (due.length < room || room === 0) {
        await pause(pauseMs, interrupt.signal)
        pauseMs = Math.min(2 * pauseMs, IDLE_MS)
      }
    }
  }
  const running = run()
  return {
    wake(soon) {
      if (soon !== undefined) pauseMs = SOON_MS
      interrupt.abort()
    },
    async stop() {
      isStopped = true
      interrupt.abort()
      await running
      await places.done()
    },
  }
}

/** Once through what is due; resolves with how many were taken up. */
export async function sendDue(deps: SenderDeps): Promise<number> {
  const due = await lease(deps, AT_ONCE)
  await Promise.all(due.map(each => sendOne(each, deps)))
  return due.length
}

type Leased = Unsent & { readonly attempts: number }

async function lease({ db, now, hasOverlay, onUnsent }: SenderDeps, limit: number): Promise<Leased[]> {
  if (limit === 0) return []
  try {
    const { rows } = await db.query<Omit<Leased, 'offChainValues'> & { values: Buffer | null }>({
      name: 'fuel-lease',
      text: `update fuel_transactions set due_ms = $1::bigint + $2, attempts = attempts + 1
        where txid in (
          select txid from fuel_transactions
            where state = 'stored' and due_ms <= $1 and ($4 or cardinality(topics) = 0)
            order by due_ms limit $3 for update skip locked)
        returning encode(txid, 'hex') as txid, topics, off_chain_values as values, attempts,
          subject is null as "fromOutside"`,
      values: [now(), LEASE_MS, limit, hasOverlay],
    })
    return rows.map(({ values, ...row }) => ({ ...row, offChainValues: values ?? undefined }))
  } catch (error) {
    onUnsent('', error)
    return []
  }
}

async function sendOne(leased: Leased, { db, now, send, onUnsent }: SenderDeps): Promise<void> {
  try {
    try {
      await send(leased)
    } catch (error) {
      onUnsent(leased.txid, error)
      await db.query({
        text: `update fuel_transactions set due_ms = $2, last_error = $3 where txid = $1 and state = 'stored'`,
        values: [
          bytea(leased.txid),
          now() + backOff(leased.attempts, { longestMs: BACK_OFF_MS_MAX }),
          keptText(String(error)),
        ],
      })
    }
  } catch (error) {
    // The database does not answer: the lease runs out, and somebody sends it again.
    onUnsent(leased.txid, error)
  }
}
