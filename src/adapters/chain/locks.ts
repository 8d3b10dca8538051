/**
 * Advisory locks, by number. `arrivals` is held shared while a transaction is taken into the mempool, and alone by
 * whoever throws some out: what a newcomer spends cannot vanish under it. `tip` is held by whoever adds blocks.
 * `miner` belongs to a session, so that it is free again the moment its process dies.
 */
export const locks = { arrivals: 0x6173_6301, tip: 0x6173_6302, miner: 0x6173_6303 } as const

/** How a transaction begins that holds some of them, in one round trip. */
export const beginWith = {
  arrivalsShared: `BEGIN; SELECT pg_advisory_xact_lock_shared(${locks.arrivals})`,
  tip: `BEGIN; SELECT pg_advisory_xact_lock(${locks.tip})`,
  // Always in this order, or two of them could wait for each other.
  arrivalsAndTip: `BEGIN; SELECT pg_advisory_xact_lock(${locks.arrivals}); SELECT pg_advisory_xact_lock(${locks.tip})`,
} as const
