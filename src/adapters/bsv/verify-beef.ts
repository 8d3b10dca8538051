import type { Beef, BeefTransaction } from '../../contract/beef.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { SENTINEL_HEIGHT } from './envelope.ts'
import { spendHolds } from './judge-spend.ts'
import type { VerifiedMemory } from './verified-memory.ts'

export type VerifyDeps = {
  /** As explorers print it; undefined where there is no such block. */
  rootAt(height: number): Promise<string | undefined>
  readonly verified: VerifiedMemory
}

/**
 * Whether every transaction of the BEEF holds: in a block of the best chain, or its inputs satisfied and its amounts
 * covered. What held before is not run again; whether a block is on the chain is asked every time.
 */
export async function verifyBeef(beef: Beef, { rootAt, verified }: VerifyDeps): Promise<Outcome<void>> {
  const held: string[] = []
  for (const transaction of beef.transactions) {
    const fresh = transaction.proof === undefined && !verified.has(transaction.txid)
    const verdict =
      transaction.proof === undefined
        ? fresh
          ? verifyUnproven(transaction, beef)
          : accepted(undefined)
        : await verifyProof(transaction.txid, transaction.proof, rootAt)
    if (!verdict.ok) return verdict
    if (fresh) held.push(transaction.txid)
  }
  // Only now: a transaction holds as its ancestors do, and one of those might have failed.
  for (const txid of held) verified.add(txid)
  return accepted(undefined)
}

async function verifyProof(
  txid: string,
  { height, root }: NonNullable<BeefTransaction['proof']>,
  rootAt: VerifyDeps['rootAt'],
): Promise<Outcome<void>> {
  const expected = height < SENTINEL_HEIGHT ? await rootAt(height) : undefined
  if (expected === root) return accepted(undefined)
  return refused(
    'transaction-invalid',
    expected === undefined
      ? `${txid} is said to be in a block at height ${height}, and this node knows of none there`
      : `the Merkle path of ${txid} leads to another root than the block at height ${height} has; ask for a new one`,
  )
}

function verifyUnproven(transaction: BeefTransaction, { byTxid }: Beef): Outcome<void> {
  const { txid, version, inputs, outputs } = transaction
  // Of other versions anybody may change the txid on the way, and break what is built on it.
  if (version !== 1)
    return refused(
      'transaction-invalid',
      `${txid} has version ${version}; only transactions of version 1 are final before a block holds them`,
    )
  let left = 0
  for (const [index, { txid: parent, vout }] of inputs.entries()) {
    const spent = byTxid.get(parent)?.outputs[vout]
    if (spent === undefined)
      return refused(
        'transaction-invalid',
        `${txid} spends output ${vout} of ${parent}, which does not come with it`,
      )
    if (!spendHolds(transaction, index, spent))
      return refused(
        'script-invalid',
        `input ${index} of ${txid} does not satisfy the lock of what it spends`,
      )
    left += spent.satoshis
  }
  for (const { satoshis } of outputs) left -= satoshis
  if (left < 0)
    return refused('transaction-invalid', `${txid} pays out ${-left} satoshis more than it takes in`)
  return accepted(undefined)
}
