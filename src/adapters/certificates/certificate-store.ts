import type { Pool } from 'pg'
import type { CertificateStore } from '../../certify/ports.ts'
import type { Fuel } from '../fuel/fuel.ts'
import { keepRounds } from '../rounds/leases.ts'
import { anchorCertificate } from './anchor-certificate.ts'
import { hearOfCertificates, hearOfUnsettled } from './hear-of-certificates.ts'
import { loseCertificate } from './lose-certificate.ts'
import { moveCertificate } from './move-certificate.ts'
import { noteFused } from './note-fused.ts'
import type { ReadPart } from './read-due.ts'
import { letRoundsGo, postponeRound } from './round-leases.ts'
import { giveUp, takeDue } from './take-due.ts'
import { writeCertificate } from './write-certificate.ts'

export type CertificateStoreDeps = {
  readonly pool: Pool
  readonly fuel: Pick<Fuel, 'write'>
  /** Names this process in leases. */
  readonly coordinator: string
  /** Of an object that agents have stored; undefined where it is not here. */
  readonly readPart: ReadPart
  /** A round whose certificate cannot be made from what is stored: it is lost, and somebody has to look. */
  onUnreadable(error: unknown, roundId: string): void
  /** A packet has its first certificate, so long after it was sealed. */
  onCertified?(afterMs: number): void
  readonly leaseMs?: number
  readonly unsettledMs?: number
}

export type OpenCertificateStore = CertificateStore & {
  /** The chain has changed above this block: what was proven there is looked for at once. */
  reorganised(forkHeight: number): void
}

/** Shorter than what a start may take, as a killed process leaves its leases behind. */
export const CERTIFY_LEASE_MS = 3_000
/** Between two looks at certificates that are settled for the moment: for a block, or for their death. */
const UNSETTLED_MS = 1_000
/** What arrives goes before them, for at most so many times as long: something may arrive at every look. */
const BEHIND_ARRIVALS = 4
/** Proofs by blocks that are not kept here are in step with the chain at the latest so long after it has changed. */
const RECHECK_MS = 60_000

export function openCertificateStore(deps: CertificateStoreDeps): OpenCertificateStore {
  const { pool, coordinator, leaseMs = CERTIFY_LEASE_MS, unsettledMs = UNSETTLED_MS } = deps
  const onCertified = (afterMs: number) => deps.onCertified?.(afterMs)
  const clock = () => performance.now()
  let unsettledAtMs = 0
  // Also what changed while no process was here.
  let recheck = { aboveHeight: -1, untilMs: clock() + RECHECK_MS }
  return {
    take: limit => takeDue(limit, { ...deps, leaseMs }),
    keep: leases => keepRounds(pool, leases, leaseMs),
    postpone: (lease, error, afterMs) => postponeRound(pool, lease, error, afterMs),
    giveUp: (lease, why) => giveUp(lease, why, pool),
    letGo: () => letRoundsGo(pool, coordinator),
    noteFused: (version, nowMs) => noteFused(pool, version, nowMs),
    write: (lease, certificate) => writeCertificate(lease, certificate, deps),
    async heard(without) {
      const arrived = await hearOfCertificates(pool, without)
      const waitsMs = arrived.length > 0 ? BEHIND_ARRIVALS * unsettledMs : 0
      if (clock() < unsettledAtMs + waitsMs) return arrived
      unsettledAtMs = clock() + unsettledMs
      const aboveHeight = clock() < recheck.untilMs ? recheck.aboveHeight : Number.MAX_SAFE_INTEGER
      return [...arrived, ...(await hearOfUnsettled(pool, aboveHeight, without))]
    },
    anchored: (certificate, nowMs) => anchorCertificate(certificate, { pool, nowMs, onCertified }),
    lost: (certificate, why, nowMs) => loseCertificate(certificate, why, { pool, nowMs }),
    moved: (certificate, nowMs) => moveCertificate(certificate, { pool, nowMs }),
    reorganised(forkHeight) {
      const before = clock() < recheck.untilMs ? recheck.aboveHeight : forkHeight
      recheck = { aboveHeight: Math.min(before, forkHeight), untilMs: clock() + RECHECK_MS }
      unsettledAtMs = 0
    },
  }
}
