import type { Beef, BeefTransaction } from '../../contract/beef.ts'
import type { Bump } from '../../contract/bump.ts'
import { outpointText } from '../../contract/transaction.ts'
import { accepted, type Fault, type Outcome } from '../../core/fault.ts'
import type { Rest } from '../../runtime/take-turns.ts'
import type { Chain } from '../chain/chain.ts'
import { SENTINEL_HEIGHT } from './envelope.ts'
import { spendHolds } from './judge-spend.ts'
import { ScriptBudget } from './script-work.ts'
import type { VerifiedMemory } from './verified-memory.ts'

export type VerifyDeps = {
  readonly rootAt: Chain['rootAt']
  readonly verified: VerifiedMemory
  /** Called before each input; waited for, so that others get their turn. */
  readonly rest?: Rest
}

/**
 * Whether every transaction of the BEEF may be, needed by its subject or not: a path that leads to a block of the
 * chain, or version 1, inputs that satisfy their locks, and no more paid out than taken in. That parents are
 * there, and no outpoint is spent twice, its reader has seen to.
 *
 * The chain is asked every time, about every path; scripts are run once per txid, as long as `verified` lasts.
 */
export async function verifyBeef(
  beef: Beef,
  { rootAt, verified, rest = atOnce }: VerifyDeps,
): Promise<Outcome<void>> {
  const unproven = beef.transactions.filter(({ proof }) => proof === undefined)
  const why =
    againstVersions(unproven) ??
    (await againstProofs(beef, rootAt)) ??
    (await againstSpends(
      beef,
      unproven.filter(({ txid }) => !verified.has(txid)),
      rest,
    ))
  if (why !== undefined) return { ok: false, fault: why }
  verified.add(unproven.map(({ txid }) => txid))
  return accepted(undefined)
}

/** Of any other version, whoever passes it on may change a script that no signature covers, and so the txid. */
function againstVersions(unproven: readonly BeefTransaction[]): Fault | undefined {
  const other = unproven.find(({ version }) => version !== 1)
  return (
    other &&
    invalid(
      `transaction ${other.txid} has version ${other.version}, which lets anybody change its txid while no block holds it; make it with version 1, or send it with its block proof`,
    )
  )
}

async function againstProofs({ transactions }: Beef, rootAt: Chain['rootAt']): Promise<Fault | undefined> {
  const asked = new Set<Bump>()
  for (const { txid, proof } of transactions) {
    if (proof === undefined || asked.has(proof)) continue
    asked.add(proof)
    const { height, root } = proof
    if (height === SENTINEL_HEIGHT)
      return invalid(`transaction ${txid} is said to be in block ${height}, which is reserved`)
    const expected = await rootAt(height)
    if (expected === undefined)
      return invalid(
        `transaction ${txid} is said to be in block ${height}, which this node does not have; send it again once it has`,
      )
    if (expected !== root)
      return invalid(
        `the Merkle path of transaction ${txid} leads to ${root}, but block ${height} has the root ${expected}; ask for its proof again`,
      )
  }
  return undefined
}

async function againstSpends(
  beef: Beef,
  unverified: readonly BeefTransaction[],
  rest: Rest,
): Promise<Fault | undefined> {
  const budget = new ScriptBudget()
  for (const transaction of unverified) {
    let left = 0
    for (const [index, outpoint] of transaction.inputs.entries()) {
      const others = rest()
      if (others !== undefined) await others
      const spent = beef.byTxid.get(outpoint.txid)?.outputs[outpoint.vout]
      const input = `input ${index} of transaction ${transaction.txid}`
      if (spent === undefined)
        return invalid(`${input} spends ${outpointText(outpoint)}, which is not in the BEEF`)
      if (!spendHolds(transaction, index, spent, budget))
        return {
          code: 'script-invalid',
          detail: budget.exhausted
            ? `${input} takes the scripts of this BEEF beyond what this node computes for one; split it`
            : `${input} does not satisfy the lock of ${outpointText(outpoint)}`,
        }
      left += spent.satoshis
    }
    for (const { satoshis } of transaction.outputs) left -= satoshis
    if (left < 0)
      return invalid(`transaction ${transaction.txid} pays out ${-left} satoshis more than it takes in`)
  }
  return undefined
}

function atOnce(): undefined {}

function invalid(detail: string): Fault {
  return { code: 'transaction-invalid', detail }
}
