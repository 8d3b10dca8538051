import { LockingScript, Transaction as SdkTransaction, Spend, UnlockingScript } from '@bsv/sdk'
import { judgeSpend } from '../../contract/spend.ts'
import type { Output, Transaction } from '../../contract/transaction.ts'
import { openingWork, ScriptBudget, stepWork } from './script-work.ts'

/** What a spend may keep on each of the interpreter's two stacks; in its form a byte takes eight. */
export const SCRIPT_MEMORY_MAX = 2 * 1024 * 1024
/** Of both scripts of a spend that only the interpreter can judge. Every opcode becomes an object. */
export const SCRIPT_BYTES_MAX = 512 * 1024

/**
 * Whether input `index` may spend `spent`, as the SDK's interpreter has it. The pipeline's two locks, unlocked in
 * the usual way, are seen to hold without it. A spend beyond the bounds, or beyond what is left of `budget`, does
 * not hold.
 */
export function spendHolds(
  transaction: Transaction,
  index: number,
  spent: Output,
  budget: ScriptBudget = new ScriptBudget(),
): boolean {
  return judgeSpend(transaction, index, spent) === 'satisfied' || interpret(transaction, index, spent, budget)
}

function interpret(transaction: Transaction, index: number, spent: Output, budget: ScriptBudget): boolean {
  const input = transaction.inputs[index]
  if (input === undefined) return false
  const scriptBytes = input.script.length + spent.script.length
  try {
    const tooLong = scriptBytes > SCRIPT_BYTES_MAX
    budget.charge(tooLong ? Number.POSITIVE_INFINITY : openingWork(scriptBytes, transaction.raw.length))
    return openSpend(transaction, index, spent, budget).validate()
  } catch {
    // The interpreter throws over whatever does not hold, and over numbers that JavaScript cannot hold; the budget
    // over what costs too much. None of them has unlocked anything.
    return false
  }
}

function openSpend(transaction: Transaction, index: number, spent: Output, budget: ScriptBudget): Spend {
  const { inputs, outputs } = sdkForm(transaction)
  const input = transaction.inputs[index]
  if (input === undefined) throw new Error(`the transaction has no input ${index}`)
  return new MeteredSpend(
    {
      sourceTXID: input.txid,
      sourceOutputIndex: input.vout,
      sourceSatoshis: spent.satoshis,
      lockingScript: LockingScript.fromBinary([...spent.script]),
      transactionVersion: transaction.version,
      otherInputs: inputs.filter((_, i) => i !== index),
      outputs,
      unlockingScript: UnlockingScript.fromBinary([...input.script]),
      inputSequence: input.sequence,
      inputIndex: index,
      lockTime: transaction.lockTime,
      memoryLimit: SCRIPT_MEMORY_MAX,
    },
    step => budget.charge(stepWork(step, transaction.raw.length)),
  )
}

/** Pays for each step before taking it. */
class MeteredSpend extends Spend {
  readonly #pay: (spend: Spend) => void

  constructor(params: ConstructorParameters<typeof Spend>[0], pay: (spend: Spend) => void) {
    super(params)
    this.#pay = pay
  }

  override step(): boolean {
    this.#pay(this)
    return super.step()
  }
}

// Once per transaction, not per input: one of thousands of inputs would cost their square.
const sdkFormOf = new WeakMap<Transaction, SdkTransaction>()

function sdkForm(transaction: Transaction): SdkTransaction {
  const known = sdkFormOf.get(transaction)
  if (known !== undefined) return known
  const form = SdkTransaction.fromBinary(transaction.raw)
  sdkFormOf.set(transaction, form)
  return form
}
