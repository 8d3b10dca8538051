import type { Coin } from './coins.ts'
import { type FuelSettings, poolTarget } from './fuel-settings.ts'
import { changeMin, feeOf } from './price.ts'

/** What there is to refill the pool from, and how full it is. */
export type RefillState = {
  /** Fuel that is mined and free, and fuel that waits for a block. */
  readonly free: number
  readonly coming: number
  /** Begun when the pool was low, and not at its end yet. */
  readonly underWay: boolean
  /** Treasury and change that is mined and free; the largest first. */
  readonly coins: readonly Coin[]
  /** Coins of treasury and change that wait for a block. */
  readonly comingCoins: readonly { readonly satoshis: number }[]
}

export type RefillPlan = {
  readonly underWay: boolean
  /** Each is spent by a transaction with a parent's worth of fuel. */
  readonly fanOuts: readonly Coin[]
  /** Each is spent by a transaction whose outputs are spent by fan-outs, later. */
  readonly branches: readonly { readonly coin: Coin; readonly outputs: number }[]
  /** Too small each: made into one. */
  readonly gathered: readonly Coin[]
  /** What the treasury lacks for the rest, mined or not. */
  readonly missingSatoshis: number
}

/** Below this part of the target it is filled again, up to the target. */
export const LOW_WATER = 0.5
/** About 17 kB; no BEEF carries it once the fan-outs are mined. */
export const BRANCH_OUTPUTS_MAX = 500
export const GATHERED_COINS_MAX = 100

/**
 * Fuel is made in two steps, each mined before the next: a treasury coin branches into slices, and each slice fans out
 * into the coins of one parent. Some slices are kept in reserve, so that a later refill takes one block only.
 * `wanted`: parents that somebody asks for, whatever the level.
 */
export function decideRefill(
  state: RefillState,
  settings: FuelSettings,
  lock: Uint8Array,
  wanted = 0,
): RefillPlan {
  const { fanout, satsPerKb } = settings
  const target = poolTarget(settings)
  const have = state.free + state.coming
  const underWay = have < target && (state.underWay || have < target * LOW_WATER)
  const needed = Math.max(wanted, underWay ? Math.ceil((target - have) / fanout) : 0)
  const slice = sliceSatoshis(settings, lock)
  const branchOf = (outputs: number) => feeFor(1, outputs + 1, lock, satsPerKb) + outputs * slice

  // A coin of up to two slices is one; what is left of it comes back as change.
  const slices = state.coins.filter(({ satoshis }) => satoshis >= slice && satoshis < branchOf(2))
  const large = state.coins.filter(({ satoshis }) => satoshis >= branchOf(2))
  const small = state.coins.filter(({ satoshis }) => satoshis < slice)

  const fanOuts = slices.slice(0, needed)
  // One more needs no branch.
  if (needed === fanOuts.length + 1) fanOuts.push(...large.splice(0, 1))
  const comingSlices = state.comingCoins.filter(({ satoshis }) => satoshis >= slice).length
  let short = needed - fanOuts.length - comingSlices
  const reserve = needed === 0 ? 0 : Math.ceil((target * LOW_WATER) / fanout)
  const branches: { coin: Coin; outputs: number }[] = []
  for (const coin of large) {
    if (short <= 0) break
    const outputs = mostOutputs(coin.satoshis, Math.min(short + reserve, BRANCH_OUTPUTS_MAX), branchOf)
    branches.push({ coin, outputs })
    short -= outputs
  }
  const gathered = small.slice(0, GATHERED_COINS_MAX)
  const worthIt =
    gathered.length === GATHERED_COINS_MAX || (short > 0 && gathered.length > 1 && sum(gathered) >= slice)
  const comingLarge = sum(state.comingCoins.filter(({ satoshis }) => satoshis >= slice))
  return {
    underWay,
    fanOuts,
    branches,
    gathered: worthIt ? gathered : [],
    missingSatoshis: short > 0 ? Math.max(0, branchOf(short + reserve) - comingLarge) : 0,
  }
}

/** What a fan-out spends: its coins, and the fee. */
export function sliceSatoshis({ fanout, coinSatoshis, satsPerKb }: FuelSettings, lock: Uint8Array): number {
  return fanout * coinSatoshis + feeFor(1, fanout + 1, lock, satsPerKb)
}

function feeFor(inputs: number, outputs: number, lock: Uint8Array, satsPerKb: number): number {
  const spent = { satoshis: 0, script: lock }
  return feeOf(
    Array.from({ length: inputs }, () => ({ spent })),
    Array.from({ length: outputs }, () => ({ script: lock })),
    satsPerKb,
  )
}

function mostOutputs(satoshis: number, wanted: number, costOf: (outputs: number) => number): number {
  let outputs = Math.max(2, wanted)
  while (outputs > 2 && costOf(outputs) > satoshis) outputs -= 1
  return outputs
}

function sum(coins: readonly { readonly satoshis: number }[]): number {
  return coins.reduce((total, { satoshis }) => total + satoshis, 0)
}

/** Nothing smaller is worth spending. */
export function isDust(satoshis: number, { satsPerKb }: FuelSettings): boolean {
  return satoshis < changeMin(satsPerKb)
}
