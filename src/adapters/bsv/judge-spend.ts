import { judgeSpend } from '../../contract/spend.ts'
import type { Output, Transaction } from '../../contract/transaction.ts'

/** Whether input `index` may spend `spent`. */
export function spendHolds(transaction: Transaction, index: number, spent: Output): boolean {
  return judgeSpend(transaction, index, spent) === 'satisfied'
}
