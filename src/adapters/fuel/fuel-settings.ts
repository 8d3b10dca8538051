export type FuelSettings = {
  readonly satsPerKb: number
  /** What each coin of the pool holds. */
  readonly coinSatoshis: number
  /** Coins of one parent, which every BEEF carries along that spends one of them. */
  readonly fanout: number
  readonly roundsPerSecond: number
  /** How long the pool lasts without a block; 0: none is kept. */
  readonly horizonSeconds: number
  /** Undefined: no bound. */
  readonly satsPerDayMax: number | undefined
  /** How often a block comes, about. */
  readonly blockSeconds: number
}

/** Three jobs and a certificate, each of them with a coin. */
export const COINS_PER_ROUND = 4

export function coinsPerSecond({ roundsPerSecond }: FuelSettings): number {
  return COINS_PER_ROUND * roundsPerSecond
}

export function poolTarget(settings: FuelSettings): number {
  return Math.ceil(coinsPerSecond(settings) * settings.horizonSeconds)
}

/** Days are those of UTC, counted since the epoch. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / 86_400_000)
}
