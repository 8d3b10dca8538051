import type { Fault } from '../core/fault.ts'
import { type CertifyRoundDeps, certifyRound } from './certify-round.ts'
import type { CertificateStore, DueCertificate, HeardCertificate } from './ports.ts'
import { watchCertificates } from './watch-certificates.ts'

/** Makes certificates of decided rounds and follows them, until it is stopped; any number of processes may do so. */
export type Certifying = {
  /** A round was decided, or the network has said something: look at once. */
  wake(): void
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
) => Certifying

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
  pollMs: 100,
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
  const failures = new Map<string, number>()

  const look = async () => {
    const room = timing.atOnce - underWay.size
    // Both at once: a certificate that was heard of must not wait for the next one to be read.
    const [due] = await Promise.all([room > 0 ? store.take(room) : [], watchCertificates(deps)])
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
        looking.wake()
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
      failures.delete(roundId)
      if (written.kind !== 'unreadable') return
      deps.onFailure(new Error(written.why), roundId)
      await store.giveUp(due.lease, written.why)
      deps.at('certify.given-up')
      deps.onGivenUp(roundId)
    } catch (error) {
      deps.onFailure(error, roundId)
      await postpone(due, error)
    }
  }

  const postpone = async (due: DueCertificate, error: unknown) => {
    const { roundId } = due.lease
    const count = (failures.get(roundId) ?? 0) + 1
    if (failures.size >= FAILURES_REMEMBERED_MAX) failures.clear()
    failures.set(roundId, count)
    const afterMs = Math.min(timing.againMs * 2 ** Math.min(count - 1, 20), timing.againMsMax)
    await store.postpone(due.lease, error, afterMs)
  }

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

  return {
    wake: looking.wake,
    async stop() {
      await looking.stop()
      await Promise.all(underWay.values())
      clearInterval(keeping)
      await store.letGo()
    },
  }
}

const FAILURES_REMEMBERED_MAX = 1_000
