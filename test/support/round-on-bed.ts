import { type Beef, type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type CertifiedRound, certifiedRound, party, type RoundOptions } from './certified-round.ts'
import type { OverlayBed } from './overlay-bed.ts'
import { payTo } from './pipeline.ts'

/** A whole round whose fuel is mined on the chain of an overlay bed, so that it can be submitted there. */
export type RoundOnBed = CertifiedRound & {
  /** The mined one that the fuel comes from, proven by the bed's chain. */
  readonly source: BeefTransaction
  /** Jobs, results and the certificate, in the order they were made. */
  readonly steps: readonly RoundStep[]
  /** Of one transaction of the round, or of one built upon it: history form. */
  beefWith(transaction: BeefTransaction): Beef
}

export type RoundStep = {
  readonly transaction: BeefTransaction
  readonly beef: Beef
  /** Its own, and that of the stage before where it is a step. */
  readonly topics: readonly string[]
}

export async function roundOnBed(bed: OverlayBed, options: RoundOptions = {}): Promise<RoundOnBed> {
  const log = party('log')
  const [spend] = await bed.fund(log, 1, 20_000)
  if (spend === undefined) throw new Error('the bed has not funded the round')
  const source = bed.beefOf(signTransaction([spend], [payTo(log, 1)])).byTxid.get(spend.txid)
  if (source === undefined) throw new Error('the fuel of the round has no proof')
  const round = certifiedRound({
    ...options,
    fuelFrom: outputs => [source, signTransaction([spend], outputs)],
  })
  const own = round.transactions.slice(1)
  const beefWith = (transaction: BeefTransaction) => historyOf([source], own, transaction)
  const steps = own.slice(1).map((transaction, i): RoundStep => {
    return { transaction, beef: beefWith(transaction), topics: topicsOf(i, round.operators.length) }
  })
  return { ...round, source, steps, beefWith }
}

/** Per stage a job and its results; then the certificate. */
function topicsOf(i: number, seats: number): string[] {
  const names = [baseTopics.normalize, baseTopics.validate, baseTopics.certify, baseTopics.certified]
  const stage = Math.floor(i / (seats + 1))
  const isStep = i % (seats + 1) === 0
  const own = names.slice(stage, stage + 1)
  return isStep ? [...own, ...names.slice(Math.max(stage - 1, 0), stage)] : own
}

/** Of all these, what the subject needs, parents first. */
export function historyOf(
  sources: readonly BeefTransaction[],
  own: readonly BeefTransaction[],
  subject: BeefTransaction,
): Beef {
  const byTxid = new Map([...sources, ...own, subject].map(each => [each.txid, each]))
  const needed: BeefTransaction[] = []
  const add = (each: BeefTransaction) => {
    if (needed.some(({ txid }) => txid === each.txid)) return
    if (each.proof === undefined)
      for (const { txid } of each.inputs) {
        const parent = byTxid.get(txid)
        if (parent !== undefined) add(parent)
      }
    needed.push(each)
  }
  add(subject)
  return orThrow(readBeef(writeBeef(needed)))
}
