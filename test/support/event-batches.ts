import { eventBatchToken } from '../../src/contract/event-batch.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import { spendingKey, tokenScript } from '../../src/contract/tokens.ts'
import type { Output, Transaction } from '../../src/contract/transaction.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import type { Party } from './pipeline.ts'

/** A publisher's transaction: its batch at output 0, change at output 1. */
export function batchTransaction(
  publisher: Party,
  spends: readonly Spend[],
  {
    text,
    streamId = 'sensors.temperature',
    sourceId = 'roof',
  }: { text: string; streamId?: string; sourceId?: string },
): Transaction {
  const bytes = utf8(text)
  const script = tokenScript('GDE1', publisher, sha256Hex(bytes), { streamId, sourceId, count: 1, bytes })
  const satoshis = spends.reduce((sum, { spent }) => sum + spent.satoshis, 0)
  return signTransaction(spends, [
    { satoshis: 1, script },
    { satoshis: satoshis - 1, script: p2pkhLock(publisher.publicKey) },
  ])
}

/** Both outputs of a batch transaction, ready to be spent by its publisher. */
export function spendsOf(publisher: Party, transaction: Transaction, text: string): Spend[] {
  const [batch, change] = transaction.outputs
  if (batch === undefined || change === undefined) throw new Error('not a batch transaction')
  const subject = sha256Hex(utf8(text))
  return [
    {
      txid: transaction.txid,
      vout: 0,
      spent: batch,
      privateKey: spendingKey('GDE1', subject, publisher.privateKey),
    },
    { txid: transaction.txid, vout: 1, spent: change, privateKey: publisher.privateKey },
  ]
}

/** A publisher's transaction whose batch, at output 0, is not on the chain, and what has to come with it. */
export function offChainBatch(
  publisher: Party,
  spends: readonly Spend[],
  text: string,
  change: readonly Output[] = [],
): { transaction: Transaction; offChainValues: Uint8Array } {
  const { script, offChainValues } = orThrow(
    eventBatchToken({
      issuer: publisher,
      streamId: 's',
      sourceId: 'roof',
      ndjson: utf8(text),
      as: 'off-chain',
    }),
  )
  if (offChainValues === undefined) throw new Error('the batch is not off chain')
  return { transaction: signTransaction(spends, [{ satoshis: 1, script }, ...change]), offChainValues }
}
