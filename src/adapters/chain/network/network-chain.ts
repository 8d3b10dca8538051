import type { Pool } from 'pg'
import { backOff } from '../../../runtime/back-off.ts'
import { pause } from '../../../runtime/pause.ts'
import { openAnnouncements } from '../announcements.ts'
import { timeOf } from '../block.ts'
import type { Chain, Tip } from '../chain.ts'
import { openHeaderRun } from '../header-run.ts'
import { catchUp, forkBelow, readStoredRoot } from '../read-headers.ts'
import { type Anchor, anchors, type PublicNetwork } from './anchor.ts'
import { broadcastByArc, type FindTransactions } from './arc-broadcast.ts'
import type { ArcClient } from './arc-client.ts'
import { statusesByArc } from './arc-status.ts'
import { gatherHeaders } from './gather-headers.ts'
import type { HeaderSource } from './header-source.ts'
import { ensureGenesis } from './header-store.ts'

/** A public network: headers of a source's, judged by us and kept in the database; transactions by way of ARC. */
export type NetworkChain = Chain & {
  readonly network: PublicNetwork
  standing(): Standing
  /** Asks the source at once; throws where it does not answer, or not well. */
  sync(): Promise<void>
  /** Lets go of everything but the pool, which is the caller's. */
  close(): Promise<void>
}

/** How well this node knows its network. */
export type Standing = {
  readonly tip: Tip
  /** When the tip was made, by its maker's clock. */
  readonly tipMs: number
  /** When the source last answered, and all of it held. */
  readonly heardMs: number | undefined
  /** How many blocks the source says it has that are not here; undefined while it says nothing that holds. */
  readonly behind: number | undefined
  /** What went wrong since. */
  readonly trouble: string | undefined
}

export type NetworkChainOptions = {
  /** Of openDatabase. Nodes that share it share the headers. */
  readonly pool: Pool
  readonly network: PublicNetwork
  readonly source: HeaderSource
  readonly arc: ArcClient
  readonly find: FindTransactions
  readonly now?: () => number
  readonly pollMs?: number
  /** How long to wait for the source at the start. It goes on in the background, and so does the node. */
  readonly patienceMs?: number
  /** How long after a block those who follow are called once more: ARC may learn of it later than we did. */
  readonly againMs?: number
  /** Headers in memory, 80 bytes each; older ones are read from the database. */
  readonly headersKept?: number
  /** What went wrong behind the scenes and will be tried again. */
  readonly onTrouble?: (error: unknown) => void
  /** For tests, which cannot do a network's work. There is no setting for it. */
  readonly anchor?: Anchor
}

const HEADERS_KEPT = 100_000
const BACK_OFF_MS = 1000
const BACK_OFF_MS_MAX = 60_000

export async function openNetworkChain({
  pool,
  network,
  source,
  arc,
  find,
  now = Date.now,
  pollMs = 10_000,
  patienceMs = 10_000,
  againMs = 60_000,
  headersKept = HEADERS_KEPT,
  onTrouble = () => {},
  anchor = anchors[network],
}: NetworkChainOptions): Promise<NetworkChain> {
  await ensureGenesis(pool, anchor)
  const run = openHeaderRun(headersKept)
  await catchUp(pool, run, headersKept, 'headers')
  const tip = (): Tip => run.tip() ?? neverEmpty()
  const announcements = openAnnouncements(tip, onTrouble)
  const closed = new AbortController()
  let heardMs: number | undefined
  let claimedHeight: number | undefined
  let trouble: string | undefined
  let tellAgainMs = Number.POSITIVE_INFINITY

  /** What other nodes on this database have brought in, too. */
  async function refresh(): Promise<void> {
    const fork = await catchUp(pool, run, headersKept, 'headers')
    if (fork === undefined) return
    tellAgainMs = now() + againMs
    announcements.announce(fork)
  }
  async function syncOnce(): Promise<void> {
    await refresh()
    try {
      await gatherHeaders({
        pool,
        source,
        anchor,
        tip: async () => tip(),
        onClaim: ({ height }) => {
          claimedHeight = height
        },
        onPage: refresh,
        signal: closed.signal,
      })
      heardMs = now()
      trouble = undefined
    } catch (error) {
      // Nor is it a reason to think that we are behind.
      claimedHeight = undefined
      trouble = error instanceof Error ? error.message : String(error)
      throw error
    }
  }
  let syncing: Promise<void> = Promise.resolve()
  /** After the one under way, not beside it: two would tear the run apart. */
  function sync(): Promise<void> {
    syncing = syncing
      .catch(() => {
        // Told to whoever asked for that one.
      })
      .then(() => (closed.signal.aborted ? undefined : syncOnce()))
    return syncing
  }
  async function poll(first: Promise<void>): Promise<void> {
    let failures = 0
    for (let next = first; !closed.signal.aborted; next = sync()) {
      try {
        await next
        failures = 0
      } catch (error) {
        failures += 1
        if (!closed.signal.aborted) onTrouble(error)
      }
      if (now() >= tellAgainMs) {
        tellAgainMs = Number.POSITIVE_INFINITY
        announcements.announce(tip().height)
      }
      // Sooner than the next look, where the first one fails; later and later after that.
      const failedMs = backOff(failures, {
        firstMs: Math.min(pollMs, BACK_OFF_MS),
        longestMs: BACK_OFF_MS_MAX,
      })
      await pause(failures === 0 ? pollMs : failedMs, closed.signal)
    }
  }
  const first = sync()
  const polling = poll(first)
  const patient = new AbortController()
  await Promise.race([
    first.catch(() => {
      // The poll reports it; what is known is enough to begin with.
    }),
    pause(patienceMs, patient.signal),
  ])
  patient.abort()

  return {
    network,
    tip: async () => tip(),
    rootAt,
    broadcast: transactions => broadcastByArc(transactions, arc, find),
    statusOf: txids => statusesByArc(txids, arc, rootAt),
    follow: (onChange, since) => announcements.follow(onChange, since && behind(since)),
    standing: () => ({
      tip: tip(),
      tipMs: 1000 * timeOf(run.slice(tip().height, 1)),
      heardMs,
      behind: claimedHeight === undefined ? undefined : Math.max(0, claimedHeight - tip().height),
      trouble,
    }),
    sync,
    async close() {
      closed.abort()
      await polling
    },
  }

  async function rootAt(height: number): Promise<string | undefined> {
    if (!Number.isInteger(height) || height < 0) return undefined
    return height < run.firstHeight() ? readStoredRoot(pool, height, 'headers') : run.rootAt(height)
  }
  async function behind(since: Tip): Promise<number | undefined> {
    if (tip().hash === since.hash) return undefined
    return run.hashAt(since.height) === since.hash ? since.height : forkBelow(pool, since, 'headers')
  }
}

function neverEmpty(): never {
  throw new Error('the chain has no first header, though opening it made one')
}
