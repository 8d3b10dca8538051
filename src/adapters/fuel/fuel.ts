import type { Transaction } from '../../contract/transaction.ts'
import type { Purpose, Unpaid } from '../../contract/unpaid.ts'
import type { Outcome } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { History } from './read-history.ts'

/** What pays for the transactions of this database's nodes. Any number of processes may use it side by side. */
export type Fuel = {
  /**
   * The one transaction for this purpose: signed and stored, with the fuel it spends, before a byte of it leaves.
   * Asked again, by anybody and after any crash, it is the same one, whatever the plan says then. With a `db`, it
   * is stored in the caller's own transaction, and gone with it. It is sent by itself once that has been committed.
   */
  write(purpose: Purpose, plan: Plan, db?: Queryable): Promise<Outcome<Transaction>>
  /** One of these transactions, where it is not dead. */
  find(txid: string, db?: Queryable): Promise<Transaction | undefined>
  /** With what it descends from, as it is stored now; undefined where an ancestor is nowhere until the next block. */
  history(txid: string): Promise<History | undefined>
  /** Which of these the network will not have; they are never sent again, and what they were for is to be done anew. */
  dead(txids: readonly string[], db?: Queryable): Promise<string[]>
  level(): Promise<FuelLevel>
}

export type { Purpose }
export type Plan = Unpaid

export type FuelLevel = {
  /** Outputs that are mined and not taken. */
  readonly outputs: number
  /** How long they last at the rate that the settings plan for. */
  readonly seconds: number
  readonly spentTodaySatoshis: number
  /** Of a day; null where there is no such bound. */
  readonly budgetSatoshis: number | null
}
