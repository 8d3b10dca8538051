import { outpointText } from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'

/** Who asked for an object to be kept: an object is there as long as anybody does. */
export type Holder = `identity ${string}` | `seat ${string}` | `node ${string}`

export function identityHolder(identityKey: string): Holder {
  return `identity ${identityKey}`
}

/** An agent's output, under the outpoint of the seat it is for. */
export function seatHolder(jobOutpoint: Outpoint): Holder {
  return `seat ${outpointText(jobOutpoint)}`
}

/** `what`: told apart where several parts of the node keep the same bytes. */
export function nodeHolder(what: string): Holder {
  return `node ${what}`
}

/** The node asks itself for nothing that it would refuse. */
export function isNodes(holder: Holder): boolean {
  return holder.startsWith('node ')
}
