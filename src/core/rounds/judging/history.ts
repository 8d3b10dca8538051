import type { Outpoint, PipelineTransaction, Role } from '../pipeline.ts'

/** All transactions of one BEEF by txid: the pipeline's with all their pipeline ancestors, and the fuel. */
export type History = ReadonlyMap<string, PipelineTransaction>

/** Verification of a BEEF accepts conflicting ancestors; without this rule one seat would vote twice. */
export function spentTwice(history: History): string | undefined {
  const spent = new Set<string>()
  for (const transaction of history.values()) {
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
export function missingParent(inputs: readonly Outpoint[], history: History): string | undefined {
  const absent = inputs.find(input => !history.has(input.txid))
  return absent && `its parent ${named(absent.txid)} is not in the BEEF; send the history in full`
}

export function roleAt(outpoint: Outpoint, history: History): Role | undefined {
  return history.get(outpoint.txid)?.role
}

export function spendsPipeline(inputs: readonly Outpoint[], history: History): boolean {
  return inputs.some(input => (roleAt(input, history)?.kind ?? 'plain') !== 'plain')
}

export function named(txid: string): string {
  return `transaction ${txid.slice(0, 16)}…`
}
