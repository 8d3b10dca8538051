import { wholeNumber } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** What pays for transactions. */
export const fuelSettings = {
  FUEL_HORIZON_S: optional(
    wholeNumber(0, 604_800),
    'how long the pool of coins for transactions lasts without a block; without it 7200, and 120 on the local chain, where blocks come every second; 0 keeps no pool',
  ),
  FUEL_ROUNDS_PER_SECOND: setting(
    wholeNumber(1, 1000),
    '1',
    'rounds a second that the pool is planned for, four transactions each',
  ),
  FUEL_FANOUT: setting(
    wholeNumber(4, 250),
    '24',
    'coins of one parent; a larger parent makes every BEEF longer',
  ),
  FUEL_COIN_SATOSHIS: setting(wholeNumber(100, 10_000_000), '1000', 'what each coin of the pool holds'),
  FUEL_SATS_PER_KB: setting(wholeNumber(1, 100_000), '100', 'fee of transactions, per 1000 bytes'),
  FUEL_LOW_S: optional(
    wholeNumber(0, 604_800),
    'under so many seconds of fuel, health is degraded; without it a quarter of the horizon',
  ),
  MAX_SATS_PER_DAY: optional(
    wholeNumber(1, 100_000_000_000_000),
    'what may be spent in a day (UTC), in satoshis; without it there is no such bound',
  ),
}
