import type { Outpoint, PipelineTransaction, Role } from '../pipeline.ts'

/** All transactions of one BEEF by txid: the pipeline's with all their pipeline ancestors, and the fuel. */
export type Beef = ReadonlyMap<string, PipelineTransaction>

/** Verification of a BEEF accepts conflicting ancestors; without this rule one seat would vote twice. */
export function spentTwice(beef: Beef): string | undefined {
  const spent = new Set<string>()
  for (const transaction of beef.values()) {
    for (const { txid, vout } of transaction.inputs) {
      const outpoint = `${txid}:${vout}`
      if (spent.has(outpoint))
        return `output ${vout} of ${named(txid)} is spent twice in this BEEF; send a history that spends it once`
      spent.add(outpoint)
    }
  }
  return undefined
}

/** A shorter history is not judged at all: the same transaction may come again with more. */
export function missingParent(inputs: readonly Outpoint[], beef: Beef): string | undefined {
  const absent = inputs.find(input => !beef.has(input.txid))
  return absent && `its parent ${named(absent.txid)} is not in the BEEF; send the history in full`
}

export function roleAt(outpoint: Outpoint, beef: Beef): Role | undefined {
  return beef.get(outpoint.txid)?.role
}

export function spendsPipeline(inputs: readonly Outpoint[], beef: Beef): boolean {
  return inputs.some(input => (roleAt(input, beef)?.kind ?? 'plain') !== 'plain')
}

export function named(txid: string): string {
  return `transaction ${txid.slice(0, 16)}…`
}
