import type { RoundStore } from '../../jobs/ports.ts'
import { openBusyPartitions } from './busy-partitions.ts'
import type { RoundStoreDeps } from './deps.ts'
import { readExcused } from './excused.ts'
import { openRoundFacts, type RoundFacts } from './facts.ts'
import { readHeldRounds } from './held-rounds.ts'
import { keepRounds, letRoundsGo, ROUND_LEASE_MS, takeRounds } from './leases.ts'
import { nameSilent } from './name-silent.ts'
import { readRoundView } from './network-view.ts'
import { readNews, type ToldNews } from './news.ts'
import { planRounds } from './plan.ts'
import { writeRecovered } from './recovered.ts'
import { reopenPacket } from './reopen.ts'
import { writeJobSeen, writeReserveOffered } from './seen.ts'
import { openStateBounds } from './state-bounds.ts'
import { writeAdvance, writeCertify, writeClose, writeClosed } from './steps.ts'
import { takeStragglers } from './stragglers.ts'

export type { RoundFacts }

export type RoundStoreOptions = Omit<RoundStoreDeps, 'leaseMs' | 'at' | 'stateBounds' | 'busyPartitions'> & {
  readonly leaseMs?: number
  /** That one plan looks at. */
  readonly partitionsAtOnce?: number
  at?(step: string): void
}

/** Rounds in PostgreSQL, beside any number of other processes on the same database. */
export function openRoundStore(
  options: RoundStoreOptions,
): RoundStore & RoundFacts & { takeStragglers(): Promise<void> } {
  const deps: RoundStoreDeps = {
    ...{ leaseMs: ROUND_LEASE_MS, at: () => undefined, stateBounds: openStateBounds() },
    busyPartitions: openBusyPartitions(options.partitionsAtOnce),
    ...options,
  }
  const { pool, coordinator, leaseMs, operators } = deps
  const told: ToldNews = new Map()
  return {
    takeStragglers: () => takeStragglers(deps),
    ...openRoundFacts(deps),
    plan: choose => planRounds(choose, deps),
    async take(limit) {
      const leases = await takeRounds(pool, coordinator, { limit, leaseMs })
      return readHeldRounds(pool, leases, { operators })
    },
    keep: leases => keepRounds(pool, leases, leaseMs),
    letGo: () => letRoundsGo(pool, coordinator),
    news: leases => readNews(leases, told, deps),
    jobSeen: (lease, jobTx, nowMs) => writeJobSeen(lease, jobTx, nowMs, deps),
    excused: (jobTx, askedByMs) => readExcused(pool, jobTx, { askedByMs, nowMs: deps.now() }),
    nameSilent: (jobTxs, fairMs, nowMs) => nameSilent(pool, jobTxs, fairMs, nowMs),
    offerReserve: (lease, jobTx, nowMs) => writeReserveOffered(lease, jobTx, nowMs, deps),
    advance: (lease, decided, next) => writeAdvance(lease, decided, next, deps),
    certify: (lease, decided) => writeCertify(lease, decided, deps),
    close: (lease, decided, unpaid) => writeClose(lease, decided, unpaid, deps),
    closed: lease => writeClosed(lease, deps),
    view: ({ roundId }) => readRoundView(pool, roundId),
    recovered: (lease, recovered) => writeRecovered(lease, recovered, deps),
    reopen: (packetId, by) => reopenPacket(packetId, by, deps),
  }
}
