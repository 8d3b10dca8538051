import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { type EventBatch, type EventBatchToken, eventBatchToken } from '../../src/contract/event-batch.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import type { Output, Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import { coins, output, p2pkhSpend, party, payTo, tokenSpend } from '../support/pipeline.ts'
import { PrivateChain } from '../support/private-chain.ts'

/* Transactions as a publisher makes them, each paid for with a mined coin of its own. */

export const publisher = party('publisher')
export const stranger = party('stranger')
export const chain = new PrivateChain()

const fuelCoins = 200
const fuel = minedFuel()
let spent = 0

/** A coin that nobody has used yet. */
export function freshCoin(): Spend {
  if (spent === fuelCoins) throw new Error(`the tests use more than ${fuelCoins} coins; mine more`)
  return p2pkhSpend(fuel, spent++, publisher)
}

export function batchToken(change: Partial<EventBatch> = {}): EventBatchToken {
  return orThrow(
    eventBatchToken({
      issuer: publisher,
      streamId: 'greenhouse',
      sourceId: 'sensor-1',
      ndjson: '{"celsius":21.5}\n{"celsius":21.7}\n',
      as: 'inline',
      ...change,
    }),
  )
}

export function paying(outputs: readonly Output[], spends: readonly Spend[] = []): Transaction {
  return signTransaction([freshCoin(), ...spends], [...outputs, payTo(publisher, 100)])
}

export function carrying(...tokens: readonly EventBatchToken[]): Transaction {
  return paying(tokens.map(({ script }) => output(script)))
}

export function spendOf(transaction: Transaction, vout: number, { subject }: EventBatchToken): Spend {
  return tokenSpend(transaction, vout, 'GDE1', subject, publisher)
}

/** With the fuel's block proof; the subject last. */
export function beefOf(...transactions: readonly BeefTransaction[]): Uint8Array {
  return writeBeef([fuel, ...transactions])
}

function minedFuel(): BeefTransaction {
  const made = coins(publisher, 'fuel', fuelCoins, 1000)
  // Not the first of its block: the SDK takes that one for a coinbase, and has rules of its own for when it is ripe.
  const [, proof] = chain.mine([coins(publisher, 'coinbase', 1), made])
  if (proof === undefined) throw new Error('the block proves nothing')
  return { ...made, proof }
}
