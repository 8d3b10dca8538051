import {
  type Output,
  outpointBytes,
  outputBytes,
  type Transaction,
  u32le,
  u64le,
  varInt,
} from '../../../contract/transaction.ts'
import { concat, concatAll, knownHex } from '../../../core/bytes.ts'

/** BRC-30: a transaction with the outputs that it spends, so that its scripts and its fee can be checked alone. */
export function extendedFormat(transaction: Transaction, spent: readonly Output[]): Uint8Array {
  return concat(
    u32le(transaction.version),
    MARKER,
    varInt(transaction.inputs.length),
    concatAll(
      transaction.inputs.flatMap((input, i) => {
        const output = spent[i]
        if (output === undefined) throw new Error(`the output that input ${i} spends is missing`)
        return [
          outpointBytes(input),
          varInt(input.script.length),
          input.script,
          u32le(input.sequence),
          u64le(output.satoshis),
          varInt(output.script.length),
          output.script,
        ]
      }),
    ),
    varInt(transaction.outputs.length),
    concatAll(transaction.outputs.map(outputBytes)),
    u32le(transaction.lockTime),
  )
}

const MARKER = knownHex('0000000000ef')
