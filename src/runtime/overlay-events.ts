import type { OverlayEvents } from '../adapters/overlay/overlay-events.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { openSeldom } from './seldom.ts'

/** What the overlay does by itself, told to the log and the metrics. */
export function overlayEvents(
  log: Log,
  metrics: Metrics,
  heard: Pick<OverlayEvents, 'onAdmitted' | 'onNetworkHas'> = {},
): OverlayEvents {
  const seldom = openSeldom()
  return {
    ...heard,
    onEvicted(txids, reason) {
      metrics.evictions.inc(txids.length)
      log.warn({ txids: txids.slice(0, 10), count: txids.length, reason }, 'transactions evicted')
    },
    onDoubleSpend({ transaction, against }, kept) {
      metrics.doubleSpends.inc({ kept: String(kept) })
      log.warn({ txid: transaction.txid, against, kept }, 'double spend refused')
    },
    onUndelivered({ txid, target, attempts }, error, again) {
      metrics.undelivered.inc({ again: String(again) })
      seldom(`delivery ${target} ${again}`, leftOut =>
        log.warn({ err: error, txid, target, attempts, again, leftOut }, 'a delivery failed'),
      )
    },
    onHostFull(target, isFull) {
      if (isFull)
        log.warn(
          { target },
          'a host does not keep up: it is told of nothing new until it has taken some of what waits, and can ask for the rest (/sync)',
        )
      else log.info({ target }, 'a host is told of what is new again')
    },
    onReorganisation(forkHeight, proofsDropped) {
      metrics.reorganisations.inc()
      log.warn({ forkHeight, proofsDropped }, 'the chain was reorganised')
    },
    onProven(count) {
      metrics.proofs.inc(count)
      log.debug({ count }, 'block proofs taken in')
    },
    onFollowFailure(error) {
      seldom('chain', leftOut =>
        log.error({ err: error, leftOut }, 'a change of the chain could not be worked in; it is tried again'),
      )
    },
  }
}
