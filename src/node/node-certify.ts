import { randomUUID } from 'node:crypto'
import { openCertificateStore } from '../adapters/certificates/certificate-store.ts'
import { keepOutputIn, readPartIn } from '../adapters/certificates/keep-output.ts'
import { makeAggregates } from '../adapters/certificates/make-aggregates.ts'
import type { Chain } from '../adapters/chain/chain.ts'
import type { Fuel } from '../adapters/fuel/fuel.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { startCertifying } from '../certify/certificates.ts'
import type { Issuer } from '../contract/tokens.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodeCertify = {
  /** A round was decided here. */
  handedOver(): void
  /** The network has one of our transactions, or will not have it. */
  onSeen(txid: string): void
}

export type NodeCertifyDeps = {
  readonly database: Database
  readonly fuel: Pick<Fuel, 'write'>
  readonly chain: Pick<Chain, 'follow'>
  readonly content: Pick<ContentStore, 'put' | 'open'>
  readonly keys: { readonly log: Issuer }
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
  /** A round has lost its certificate: whoever coordinates looks at it. */
  onLost(): void
}

const AGGREGATES_MS = 1_000

/** From decided rounds to certificates that a block holds, beside every other node of this database. */
export function openNodeCertify(_settings: Settings, deps: NodeCertifyDeps): NodeCertify {
  const { database, fuel, chain, content, keys, log, metrics, stops, now, onLost } = deps
  const seldom = openSeldom()
  const store = openCertificateStore({
    pool: database.pool,
    fuel,
    coordinator: `certify ${randomUUID()}`,
    readPart: readPartIn(content),
    onCertified: afterMs => metrics.sealedToCertified.observe(afterMs / 1000),
    onUnreadable(error, roundId) {
      log.error({ err: error, roundId }, 'a decided round cannot be certified from what is stored')
      onLost()
    },
  })
  const certifying = startCertifying({
    store,
    repeat,
    keepOutput: keepOutputIn(content),
    log: keys.log,
    now,
    at: crashPoint,
    onLost(certificate, why) {
      log.error({ txid: certificate.txid, roundId: certificate.roundId, why }, 'a certificate was lost')
      onLost()
    },
    onGivenUp: onLost,
    onDivergences(count) {
      for (const counter of metrics.divergences) counter.inc(count)
    },
    onCertified: ({ txid, roundId }) => log.debug({ txid, roundId }, 'a round is certified'),
    onRefused: ({ lease: { roundId } }, fault) =>
      seldom(fault.code, leftOut =>
        log.warn(
          { roundId, code: fault.code, detail: fault.detail, leftOut },
          'a certificate waits for fuel',
        ),
      ),
    onFailure: (error, roundId) =>
      seldom(roundId ?? '', leftOut =>
        log.error({ err: error, roundId, leftOut }, 'certifying failed, and is tried again'),
      ),
  })
  // Not in anybody's way: statements are about what is certified already.
  const aggregating = repeat(() => makeAggregates({ pool: database.pool, now, at: crashPoint }), {
    everyMs: AGGREGATES_MS,
    onFailure: error =>
      seldom('aggregates', leftOut =>
        log.error({ err: error, leftOut }, 'windows and rollups could not be made; it is tried again'),
      ),
  })
  const unfollow = chain.follow(async ({ forkHeight }) => {
    store.reorganised(forkHeight)
    certifying.wake()
  })
  stops.add('certificates', async () => {
    await Promise.all([unfollow(), aggregating.stop()])
    await certifying.stop()
  })
  return { handedOver: () => certifying.wake('decided'), onSeen: certifying.settled }
}
