import { LockingScript, P2PKH, PrivateKey, Transaction } from '@bsv/sdk'
import * as z from 'zod'
import { tokenScript } from '../../src/contract/tokens.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import type { Party } from './pipeline.ts'

/* What a wallet does that knows the stock SDK and a node's URL, and nothing else of ours but a token's bytes. */

/** Money from the local chain's faucet, as the SDK's transaction with all it needs. */
export async function faucetMoney(nodeUrl: string, owner: Party, satoshis = 1000): Promise<Transaction> {
  const response = await fetch(`${nodeUrl}/chain/faucet`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ publicKey: owner.identityKey, satoshis, outputs: 1 }),
  })
  if (!response.ok) throw new Error(await response.text())
  const { beef } = z.object({ beef: z.string() }).parse(await response.json())
  return Transaction.fromHexBEEF(beef)
}

/** A batch at output 0 and change at output 1, paid by an output of `money`. */
export async function stockBatch(
  publisher: Party,
  money: Transaction,
  text: string,
  output = 0,
): Promise<Transaction> {
  const bytes = utf8(text)
  const script = tokenScript('GDE1', publisher, sha256Hex(bytes), {
    streamId: 'sensors.temperature',
    sourceId: 'roof',
    count: 1,
    bytes,
  })
  return stockSpend(publisher, money, script, output)
}

/** One satoshi to this script, and change. */
export async function stockSpend(
  owner: Party,
  money: Transaction,
  script: Uint8Array,
  output = 0,
): Promise<Transaction> {
  const key = new PrivateKey([...owner.privateKey])
  const transaction = new Transaction()
  transaction.addInput({
    sourceTransaction: money,
    sourceOutputIndex: output,
    unlockingScriptTemplate: new P2PKH().unlock(key),
    sequence: 0xffffffff,
  })
  transaction.addOutput({ satoshis: 1, lockingScript: LockingScript.fromHex(toHex(script)) })
  transaction.addOutput({
    satoshis: (money.outputs[output]?.satoshis ?? 0) - 1,
    lockingScript: new P2PKH().lock(key.toAddress()),
  })
  await transaction.sign()
  return transaction
}

/** A chain tracker that believes the headers that a node serves. */
export function headersOf(nodeUrl: string) {
  return {
    async isValidRootForHeight(root: string, height: number): Promise<boolean> {
      const response = await fetch(`${nodeUrl}/chain/headers?from=${height}&count=1`)
      const header = Buffer.from(await response.arrayBuffer())
      return header.subarray(36, 68).reverse().toString('hex') === root
    },
    async currentHeight(): Promise<number> {
      const response = await fetch(`${nodeUrl}/chain/tip`)
      const { height } = z.object({ height: z.number() }).parse(await response.json())
      return height
    },
  }
}
