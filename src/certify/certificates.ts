import type { Fault } from '../core/fault.ts'
import { type CertifyRoundDeps, certifyRound } from './certify-round.ts'
import type { CertificateStore, DueCertificate, HeardCertificate } from './ports.ts'
import { openRests } from './rests.ts'
import { watchCertificates } from './watch-certificates.ts'

/** Makes certificates of decided rounds and follows them, until it is stopped; any number of processes may do so. */
export type Certifying = {
  /** Look at once: a round was `decided`, or the `network` has said something; both where nothing is said. */
  wake(why?: 'decided' | 'network'): void
  /** The network has its word on this transaction. */
  settled(txid: string): void
  stop(): Promise<void>
}

export type CertifyingDeps = Omit<CertifyRoundDeps, 'store'> & {
  readonly store: CertificateStore
  /** Does it again and again, never beside itself: after so long, when woken, and at once where it says `more`. */
  readonly repeat: Repeat
  readonly timing?: Partial<CertifyingTiming>
  /** A round has lost its certificate, and somebody has to decide what becomes of it. */
  onLost(certificate: HeardCertificate, why: string): void
  onCertified(certificate: HeardCertificate): void
  /** The same, as what is stored makes no certificate. */
  onGivenUp(roundId: string): void
  /** Not written for want of fuel; it is tried again. */
  onRefused(due: DueCertificate, fault: Fault): void
  onFailure(error: unknown, roundId: string | undefined): void
}

type Repeat = (
  work: () => Promise<unknown>,
  options: { readonly everyMs: number; readonly againMs: number; onFailure(error: unknown): void },
) => { wake(): void; stop(): Promise<void> }

export type CertifyingTiming = {
  /** Between two looks where nobody wakes us: what other processes did is found then. */
  readonly pollMs: number
  /** A lease is kept up so often while there is work under it. */
  readonly keepMs: number
  /** Rounds that one process certifies at the same time. */
  readonly atOnce: number
  readonly againMs: number
  readonly againMsMax: number
}

export const certifyingTiming: CertifyingTiming = {
  pollMs: 500,
  keepMs: 1_000,
  atOnce: 8,
  againMs: 250,
  againMsMax: 15_000,
}

export function startCertifying(deps: CertifyingDeps): Certifying {
  const { store } = deps
  const timing = { ...certifyingTiming, ...deps.timing }
  const underWay = new Map<string, Promise<void>>()
  const leases = new Map<string, DueCertificate['lease']>()
  const awaited = new Set<string>()
  const clock = () => performance.now()
  const rounds = openRests(timing, clock)
  const settling = openRests(timing, clock)
  let told: ReadonlySet<'decided' | 'network'> = new Set()
  let lookedMs = Number.NEGATIVE_INFINITY

  const look = async () => {
    const room = timing.atOnce - underWay.size
    // However often we are told of the one, what others have done of the other is found in time.
    const isAll = told.size === 0 || performance.now() - lookedMs >= timing.pollMs
    const asked = isAll ? everything : told
    told = new Set()
    if (isAll) lookedMs = performance.now()
    // Both at once: a certificate that was heard of must not wait for the next one to be read.
    const [due] = await Promise.all([
      room > 0 && asked.has('decided') ? store.take(room) : [],
      asked.has('network') ? watchCertificates({ ...deps, rests: settling }) : undefined,
    ])
    for (const each of due) start(each)
    return due.length > 0 && underWay.size < timing.atOnce ? 'more' : 'all'
  }

  const start = (due: DueCertificate) => {
    const { roundId } = due.lease
    leases.set(roundId, due.lease)
    const done = certify(due)
      .catch(error => deps.onFailure(error, roundId))
      .finally(() => {
        underWay.delete(roundId)
        leases.delete(roundId)
        // One that found no room may have waited for this one.
        if (underWay.size === timing.atOnce - 1) wake('decided')
      })
    underWay.set(roundId, done)
  }

  const certify = async (due: DueCertificate) => {
    const { roundId } = due.lease
    try {
      const written = await certifyRound(due, deps)
      if (written.kind === 'refused') {
        deps.onRefused(due, written.fault)
        await postpone(due, written.fault.detail)
        return
      }
      rounds.succeeded(roundId)
      if (written.kind === 'unreadable') {
        deps.onFailure(new Error(written.why), roundId)
        await store.giveUp(due.lease, written.why)
        deps.at('certify.given-up')
        deps.onGivenUp(roundId)
        return
      }
      if (written.kind === 'lost') return
      if (awaited.size >= AWAITED_MAX) awaited.clear()
      awaited.add(written.transaction.txid)
    } catch (error) {
      deps.onFailure(error, roundId)
      await postpone(due, error)
    }
  }

  const postpone = ({ lease }: DueCertificate, error: unknown) =>
    store.postpone(lease, error, rounds.failed(lease.roundId))

  const looking = deps.repeat(look, {
    everyMs: timing.pollMs,
    againMs: timing.againMs,
    onFailure: error => deps.onFailure(error, undefined),
  })
  const keeping = setInterval(() => {
    if (leases.size > 0)
      store.keep([...leases.values()]).catch(() => {
        // Then they run out, somebody else takes them, and what we write under them is refused.
      })
  }, timing.keepMs)

  const wake = (why?: 'decided' | 'network') => {
    told = why === undefined ? everything : new Set([...told, why])
    looking.wake()
  }
  return {
    wake,
    settled(txid) {
      if (awaited.delete(txid)) wake('network')
    },
    async stop() {
      await looking.stop()
      await Promise.all(underWay.values())
      clearInterval(keeping)
      await store.letGo()
    },
  }
}

const everything: ReadonlySet<'decided' | 'network'> = new Set(['decided', 'network'] as const)

/** Of those that are forgotten the next look hears. */
const AWAITED_MAX = 1_000
