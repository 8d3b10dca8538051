import { inUse } from '../adapters/keys/keyring.ts'
import { openOutgoing } from '../adapters/outgoing/outgoing.ts'
import { callCertifier } from '../adapters/outside/call-certifier.ts'
import { openOutsideStore } from '../adapters/outside/outside-store.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { askOutside } from '../certify/outside/ask-outside.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'
import type { NodeKeys } from './node-keys.ts'
import { packetRetryMs } from './node-rounds.ts'

export type NodeOutsideDeps = {
  readonly database: Pick<Database, 'pool'>
  readonly content: Pick<ContentStore, 'open'>
  readonly keys: Pick<NodeKeys, 'node'>
  readonly log: Log
  readonly stops: Stops
  now(): number
}

type OutsideSettings = Pick<
  Settings,
  | 'ASSAY_NETWORK'
  | 'CERTIFIER_WEBHOOK_URL'
  | 'CERTIFIER_TIMEOUT_MS'
  | 'INGEST_RETRY_MAX'
  | 'INGEST_BACKOFF_BASE_MS'
  | 'INGEST_BACKOFF_FACTOR'
>

const EVERY_MS = 250
/** Beside the longest call: a packet is kept ours between any two batches of calls. */
const LEASE_MARGIN_MS = 60_000
const BATCH_CALLS = 8

/** Asks the certifier outside, where there is one, about each event that is validated. Nobody waits for what it says. */
export function openNodeOutside(settings: OutsideSettings, deps: NodeOutsideDeps): void {
  const { CERTIFIER_WEBHOOK_URL: url, CERTIFIER_TIMEOUT_MS: timeoutMs } = settings
  if (url === undefined) return
  const { database, content, keys, log, stops, now } = deps
  const seldom = openSeldom()
  const stopping = new AbortController()
  const retryMs = packetRetryMs(settings)
  const store = openOutsideStore({
    ...{ pool: database.pool, content, now },
    name: nameOf(url),
    leaseMs: BATCH_CALLS * timeoutMs + LEASE_MARGIN_MS,
  })
  const call = callCertifier({
    ...{ url, now, answerMsMax: timeoutMs },
    identity: inUse(keys.node),
    // Its operator has named it, also where it is inside.
    outgoing: openOutgoing({ network: settings.ASSAY_NETWORK, isVouchedFor: true }),
  })
  const onFailure = (error: unknown, packetId?: string) =>
    seldom(packetId ?? 'outside', leftOut =>
      log.warn(
        { err: error, packetId, leftOut },
        'a certifier outside could not be asked, and will be asked again',
      ),
    )
  const asking = repeat(
    () =>
      askOutside({
        ...{ store, call, now, onFailure },
        triesMax: settings.INGEST_RETRY_MAX,
        retryMs: tries => retryMs({ tries }),
        isStopping: () => stopping.signal.aborted,
        at: crashPoint,
      }),
    { everyMs: EVERY_MS, onFailure },
  )
  stops.add('asking of a certifier outside', () => {
    stopping.abort()
    return asking.stop()
  })
}

/** Without what may be a secret in it. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}
