import { numbersOf } from '../adapters/bsv/numbers.ts'
import type { Found } from '../adapters/overlay/lookup.ts'
import { writeBeef, writeMergedBeef } from '../contract/beef.ts'
import { varInt } from '../contract/transaction.ts'
import { concatAll, knownHex } from '../core/bytes.ts'

/** BRC-24 as JSON: a BEEF for every output, as numbers. In pieces, one for each output. */
export function* jsonAnswer({ outputs }: Found): Generator<string> {
  yield '{"type":"output-list","outputs":['
  for (const [i, { vout, history, context }] of outputs.entries()) {
    const output = {
      beef: numbersOf(writeBeef(history)),
      outputIndex: vout,
      ...(context !== undefined && { context: numbersOf(context) }),
    }
    yield `${i === 0 ? '' : ','}${JSON.stringify(output)}`
  }
  yield ']}'
}

/** BRC-24 in bytes: the outputs, each with its context, then one BEEF that holds all their transactions. */
export function aggregatedAnswer({ outputs }: Found): Uint8Array {
  const needed = new Map(outputs.flatMap(({ history }) => history.map(each => [each.txid, each] as const)))
  const places = outputs.flatMap(({ txid, vout, context = new Uint8Array() }) => [
    knownHex(txid),
    varInt(vout),
    varInt(context.length),
    context,
  ])
  return concatAll([varInt(outputs.length), ...places, writeMergedBeef([...needed.values()])])
}
