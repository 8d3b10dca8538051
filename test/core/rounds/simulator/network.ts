import type { NetworkView } from '../../../../src/core/rounds/coordinating/thread.ts'
import type { History } from '../../../../src/core/rounds/judging/history.ts'
import type { Outpoint, PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'

/** First seen wins, unless `replace` mines another; who dies takes its descendants along. */
export type Network = NetworkView & {
  readonly transaction: (txid: string) => PipelineTransaction | undefined
  readonly size: () => number
  readonly live: () => Iterable<PipelineTransaction>
  readonly know: (transaction: PipelineTransaction) => void
  readonly accept: (transaction: PipelineTransaction) => boolean
  /** Answers what died, parents before children. */
  readonly replace: (old: string, by: PipelineTransaction) => string[]
  /** The transaction with all its ancestors. */
  readonly historyOf: (txid: string) => History
}

export function createNetwork(): Network {
  const known = new Map<string, PipelineTransaction>()
  const live = new Set<string>()
  const spends = new Map<string, string>()
  const key = ({ txid, vout }: Outpoint) => `${txid}:${vout}`

  function accept(transaction: PipelineTransaction): boolean {
    known.set(transaction.txid, transaction)
    if (live.has(transaction.txid)) return true
    if (!transaction.inputs.every(input => live.has(input.txid) && !spends.has(key(input)))) return false
    live.add(transaction.txid)
    for (const input of transaction.inputs) spends.set(key(input), transaction.txid)
    return true
  }

  function evict(txid: string): string[] {
    const dead = new Set<string>()
    const falling = [txid]
    for (let next = falling.pop(); next !== undefined; next = falling.pop()) {
      if (!live.delete(next)) continue
      dead.add(next)
      for (const input of known.get(next)?.inputs ?? []) spends.delete(key(input))
      for (const other of live)
        if (known.get(other)?.inputs.some(input => input.txid === next)) falling.push(other)
    }
    return [...known.keys()].filter(each => dead.has(each))
  }

  return {
    transaction: txid => known.get(txid),
    size: () => known.size,
    live: () => [...live].flatMap(txid => known.get(txid) ?? []),
    know: transaction => known.set(transaction.txid, transaction),
    accept,
    replace: (old, by) => {
      const dead = evict(old)
      accept(by)
      return dead
    },
    isLive: txid => live.has(txid),
    spenderOf: outpoint => known.get(spends.get(key(outpoint)) ?? ''),
    historyOf: txid => {
      const history = new Map<string, PipelineTransaction>()
      const open = [txid]
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        const transaction = known.get(next)
        if (transaction === undefined || history.has(next)) continue
        history.set(next, transaction)
        for (const input of transaction.inputs) open.push(input.txid)
      }
      return history
    },
  }
}
