import type { Purpose } from '../../../src/adapters/fuel/fuel.ts'
import type { FuelEvents } from '../../../src/adapters/fuel/fuel-events.ts'
import type { FuelSettings } from '../../../src/adapters/fuel/fuel-settings.ts'
import { ownFaucet } from '../../../src/adapters/fuel/local-faucet.ts'
import { type FuelDeps, type OpenFuel, openFuel } from '../../../src/adapters/fuel/open-fuel.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { p2pkhLock } from '../../../src/contract/script.ts'
import { tokenScript } from '../../../src/contract/tokens.ts'
import type { Output, Transaction } from '../../../src/contract/transaction.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'

export const payer = party('fuel')

export const smallPool: FuelSettings = {
  satsPerKb: 100,
  coinSatoshis: 1000,
  fanout: 8,
  roundsPerSecond: 1,
  horizonSeconds: 10,
  satsPerDayMax: undefined,
  blockSeconds: 1,
}

/** An overlay node with fuel of its own, not started; blocks come when `mine` is called. */
export type FuelBed = {
  readonly bed: OverlayBed
  readonly fuel: OpenFuel
  readonly reports: readonly { readonly what: keyof FuelEvents; readonly said: readonly unknown[] }[]
  /** Another process on the same database. */
  open(deps?: Partial<FuelDeps>): OpenFuel
  /** Starts it, and mines until the pool is full. */
  fill(): Promise<void>
  close(): Promise<void>
}

export async function fuelBed(
  settings: Partial<FuelSettings> = {},
  deps: Partial<FuelDeps> = {},
): Promise<FuelBed> {
  const bed = await overlayBed()
  const reports: { what: keyof FuelEvents; said: readonly unknown[] }[] = []
  const note =
    (what: keyof FuelEvents) =>
    (...said: unknown[]) =>
      void reports.push({ what, said })
  const opened: OpenFuel[] = []
  const all = { ...smallPool, ...settings }
  const open = (more: Partial<FuelDeps> = {}) => {
    const fuel = openFuel({
      pool: bed.database.pool,
      chain: bed.chain,
      key: payer,
      overlay: bed.overlay,
      faucet: ownFaucet(bed.chain),
      settings: all,
      now: Date.now,
      events: {
        onDead: note('onDead'),
        onUnsent: note('onUnsent'),
        onRefill: note('onRefill'),
        onReorganisation: note('onReorganisation'),
        onTrouble: note('onTrouble'),
      },
      tickMs: 20,
      ...deps,
      ...more,
    })
    opened.push(fuel)
    return fuel
  }
  const fuel = open()
  return {
    bed,
    fuel,
    reports,
    open,
    async fill() {
      await fuel.start()
      await until(async () => {
        await bed.chain.mine()
        const { outputs, seconds } = await fuel.level()
        return outputs > 0 && seconds >= all.horizonSeconds
      })
    },
    async close() {
      for (const each of opened) await each.stop()
      await bed.close()
    },
  }
}

export function purpose(name: string, stage = 'normalize', rebuild = 0): Purpose {
  return { subject: sha256Hex(name), stage, rebuild }
}

/** A few satoshis to somebody else. */
export function plainPlan(satoshis = 100, outputs = 1) {
  const output: Output = { satoshis, script: p2pkhLock(party('somebody').publicKey) }
  return { spends: [], outputs: Array.from({ length: outputs }, () => output), topics: [] }
}

export async function written(fuel: OpenFuel, name: string, stage?: string): Promise<Transaction> {
  return orThrow(await fuel.write(purpose(name, stage), plainPlan()))
}

const publisher = party('publisher')

/** A batch of events: a transaction that our overlay takes. */
export function batchPlan(text: string) {
  const bytes = utf8(text)
  const body = { streamId: 's', sourceId: 'roof', count: 1, bytes }
  return {
    spends: [],
    outputs: [{ satoshis: 1, script: tokenScript('GDE1', publisher, sha256Hex(bytes), body) }],
    topics: [baseTopics.ingest],
  }
}
