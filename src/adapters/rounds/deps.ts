import type { Pool } from 'pg'
import type { PacketStanding } from '../../core/rounds/coordinating/standing.ts'
import type { Fuel } from '../fuel/fuel.ts'
import type { BusyPartitions } from './busy-partitions.ts'
import type { CheckWork } from './check-work.ts'
import type { StateBounds } from './state-bounds.ts'

export type RoundStoreDeps = {
  readonly pool: Pool
  readonly fuel: Pick<Fuel, 'write'>
  readonly checkWork: CheckWork
  /** Identity key of the log, which issues the jobs; packets of others are left alone. */
  readonly log: string
  readonly stateBounds: StateBounds
  readonly busyPartitions: BusyPartitions
  /** This process: no other one has the same. */
  readonly coordinator: string
  /** Of the node, for streams that name none. */
  readonly operators: readonly string[]
  readonly leaseMs: number
  /** How long a packet waits that stands like this after it has left a round. */
  retryMs(standing: PacketStanding): number
  /** Whether a certifier outside is asked about what is validated. */
  readonly asksOutside?: boolean
  now(): number
  /** What an agent has stored here cannot be read at the moment; its answer waits for that, and nobody else does. */
  onUnreadable?(error: unknown, resultTxid: string): void
  /** Stops there, in tests. */
  at(step: string): void
}
