import type { Chain } from '../adapters/chain/chain.ts'
import type { LocalChain } from '../adapters/chain/local-chain.ts'
import type { FuelLevel } from '../adapters/fuel/fuel.ts'
import type { FuelEvents } from '../adapters/fuel/fuel-events.ts'
import type { FuelSettings } from '../adapters/fuel/fuel-settings.ts'
import { faucetAt, ownFaucet } from '../adapters/fuel/local-faucet.ts'
import { type FuelDeps, type OpenFuel, openFuel } from '../adapters/fuel/open-fuel.ts'
import type { Database } from '../adapters/postgres/database.ts'
import type { Issuer } from '../contract/tokens.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'

export type NodeFuelDeps = {
  readonly database: Database
  readonly chain: Chain
  readonly local?: LocalChain | undefined
  readonly key: Issuer
  readonly overlay: FuelDeps['overlay']
  readonly events: FuelEvents
}

/** Not started. */
export function openNodeFuel(settings: Settings, deps: NodeFuelDeps): OpenFuel {
  const { database, chain, local, key, overlay, events } = deps
  const faucet = faucetOf(settings, local, key)
  return openFuel({
    pool: database.pool,
    chain,
    key,
    overlay,
    settings: fuelSettings(settings),
    now: Date.now,
    events,
    ...(faucet && { faucet }),
  })
}

function faucetOf({ LOCAL_CHAIN_URL }: Settings, local: LocalChain | undefined, key: Issuer) {
  if (local !== undefined) return ownFaucet(local)
  return LOCAL_CHAIN_URL === undefined ? undefined : faucetAt(LOCAL_CHAIN_URL, key.identityKey)
}

/** On a public chain a block may be hours away, once in a while; on the local one the next comes when it is needed. */
const HORIZON_S = 7200
const LOCAL_HORIZON_S = 120
const BLOCK_S = 600

export function fuelSettings(settings: Settings): FuelSettings {
  const isLocal = settings.ASSAY_NETWORK === 'local'
  return {
    satsPerKb: settings.FUEL_SATS_PER_KB,
    coinSatoshis: settings.FUEL_COIN_SATOSHIS,
    fanout: settings.FUEL_FANOUT,
    roundsPerSecond: settings.FUEL_ROUNDS_PER_SECOND,
    horizonSeconds: settings.FUEL_HORIZON_S ?? (isLocal ? LOCAL_HORIZON_S : HORIZON_S),
    satsPerDayMax: settings.MAX_SATS_PER_DAY,
    blockSeconds: isLocal ? Math.ceil(settings.LOCAL_BLOCK_MS / 1000) : BLOCK_S,
  }
}

export function fuelEvents(
  log: Log,
  metrics: Metrics,
  heard: Pick<FuelEvents, 'onSeen'> & Partial<Pick<FuelEvents, 'onDead'>> = {},
): FuelEvents {
  const seldom = openSeldom()
  return {
    ...heard,
    onDead(txid, reason) {
      heard.onDead?.(txid, reason)
      metrics.fuelDead.inc()
      log.error({ txid, reason }, 'a transaction of ours is dead')
    },
    onUnsent(txid, error) {
      metrics.fuelUnsent.inc()
      seldom(txid, leftOut =>
        log.warn({ err: error, txid, leftOut }, 'a transaction could not be sent; it is tried again'),
      )
    },
    onRefill: transactions => log.info({ transactions }, 'fuel is refilled'),
    onReorganisation: transactions =>
      log.warn({ transactions }, 'the chain was reorganised: coins wait for a block again'),
    onTrouble: error =>
      seldom('', leftOut => log.error({ err: error, leftOut }, 'fuel had trouble; it goes on by itself')),
  }
}

/** Not critical: a node without fuel still serves what there is. */
export function fuelHealth(fuel: Pick<OpenFuel, 'level'>, settings: Settings): HealthCheck {
  const { horizonSeconds } = fuelSettings(settings)
  const low = settings.FUEL_LOW_S ?? Math.floor(horizonSeconds / 4)
  return {
    name: 'fuel',
    critical: false,
    async run() {
      const level = await fuel.level()
      if (level.seconds < low)
        throw new Error(`${inWords(level)}; under ${low} s is low. \`assay wallet show\` says what is there`)
      return inWords(level)
    },
  }
}

function inWords({ outputs, seconds, spentTodaySatoshis, budgetSatoshis }: FuelLevel): string {
  const budget = budgetSatoshis === null ? '' : ` of ${budgetSatoshis}`
  return `fuel for ${seconds} s (${outputs} coins), ${spentTodaySatoshis}${budget} satoshis spent today`
}

/** What a scrape shows is what was there a moment before: it asks for the next one. */
export function fuelMetrics(fuel: Pick<OpenFuel, 'level'>, metrics: Metrics): void {
  let last: FuelLevel = { outputs: 0, seconds: 0, spentTodaySatoshis: 0, budgetSatoshis: null }
  let isAsking = false
  const ask = () => {
    if (isAsking) return
    isAsking = true
    void fuel
      .level()
      .then(level => {
        last = level
      })
      .catch(() => {
        // The last level stands until the database answers; its own health check says that it does not.
      })
      .finally(() => {
        isAsking = false
      })
  }
  ask()
  metrics.gauge('assay_fuel_coins', 'coins that are mined and free', () => {
    ask()
    return last.outputs
  })
  metrics.gauge('assay_fuel_seconds', 'how long these coins last at the planned rate', () => last.seconds)
  metrics.gauge(
    'assay_fuel_spent_today_satoshis',
    'what this day (UTC) has cost so far',
    () => last.spentTodaySatoshis,
  )
}
