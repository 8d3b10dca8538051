import { type Advertised, advertise, advertsOf } from '../adapters/discovery/advertise.ts'
import { checkHosts } from '../adapters/discovery/janitor.ts'
import type { Fuel } from '../adapters/fuel/fuel.ts'
import { postgresHostAdvertsIndex } from '../adapters/indexes/host-adverts-index.ts'
import { inUse } from '../adapters/keys/keyring.ts'
import type { Outgoing } from '../adapters/outgoing/outgoing.ts'
import type { Hosted } from '../adapters/overlay/hosted.ts'
import type { Database } from '../adapters/postgres/database.ts'
import { FaultError, orThrow } from '../core/fault.ts'
import type { AdminActions } from '../http/admin-actions.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { repeat } from '../runtime/repeat.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Stops } from '../runtime/stops.ts'
import type { NodeKeys } from './node-keys.ts'

export type NodeDiscovery = {
  readonly actions: Pick<AdminActions, 'listAdverts' | 'domainOf' | 'runJanitor' | 'syncAdvertisements'>
  /** Tells others what is hosted at this address, and looks after their adverts, until the node stops. */
  start(address: string): void
}

const ADVERTISE_MS = 60_000
/** The first coins of a new node are mined within seconds. */
const ADVERTISE_AGAIN_MS = 1000
const JANITOR_MS = 10 * 60_000
const JANITOR_AGAIN_MS = 60_000

export function openNodeDiscovery({
  database: { pool },
  hosted,
  isAdvertised,
  outgoing,
  fuel,
  keys,
  log,
  metrics,
  stops,
}: {
  readonly database: Database
  readonly hosted: Hosted
  /** Whether others find us by this topic. */
  isAdvertised(topic: string): boolean
  readonly outgoing: Outgoing
  readonly fuel: Fuel
  readonly keys: NodeKeys
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
}): NodeDiscovery {
  const index = postgresHostAdvertsIndex(pool)
  const seldom = openSeldom()
  let address: string | undefined

  async function advertiseAll(): Promise<Advertised> {
    if (address === undefined) return { made: 0, withdrawn: 0 }
    const offered = {
      topics: Object.keys(hosted.managers).filter(isAdvertised),
      services: Object.keys(hosted.services),
    }
    const wanted = advertsOf(offered, address, inUse(keys.node).identityKey)
    const done = orThrow(await advertise(wanted, { pool, fuel, identities: keys.node, now: Date.now }))
    if (done.made + done.withdrawn > 0) log.info({ ...done, address }, 'adverts of this node')
    return done
  }
  const runJanitor = () =>
    checkHosts({
      db: pool,
      outgoing,
      now: Date.now,
      onSilent(domain) {
        metrics.silentHosts.inc()
        log.info({ domain }, 'an advertised host has fallen silent, and is left out until it answers')
      },
    })

  return {
    actions: {
      listAdverts: (protocol, page) => index.listRecords({ kind: protocol, ...page }),
      domainOf: index.domainOf,
      async runJanitor() {
        const { checked, silent } = await runJanitor()
        return { checked, removed: silent }
      },
      async syncAdvertisements() {
        await advertiseAll()
      },
    },
    start(at) {
      address = at
      const advertising = repeat(advertiseAll, {
        everyMs: ADVERTISE_MS,
        againMs: ADVERTISE_AGAIN_MS,
        onFailure: error =>
          seldom('advertise', leftOut =>
            error instanceof FaultError
              ? log.info({ why: error.fault.detail, leftOut }, 'this node waits to be advertised')
              : log.warn({ err: error, leftOut }, 'this node cannot be advertised; it is tried again'),
          ),
      })
      const janitor = repeat(runJanitor, {
        everyMs: JANITOR_MS,
        againMs: JANITOR_AGAIN_MS,
        onFailure: error => log.warn({ err: error }, 'advertised hosts cannot be checked; it is tried again'),
      })
      stops.add('discovery', async () => {
        await Promise.all([advertising.stop(), janitor.stop()])
      })
    },
  }
}
