import type { Output, Transaction } from '../../../contract/transaction.ts'
import type { BroadcastAnswer } from '../chain.ts'
import type { ArcClient } from './arc-client.ts'
import { type ArcWord, readArcAnswer } from './arc-word.ts'
import { extendedFormat } from './extended-format.ts'

/** Those of these transactions that are stored here. */
export type FindTransactions = (txids: readonly string[]) => Promise<readonly Transaction[]>

/**
 * Hands them over, parents first. Accepted once the network has seen the last of them; throws while it has not, and
 * ARC may be asked again: it knows what it has been given.
 */
export async function broadcastByArc(
  transactions: readonly Transaction[],
  arc: ArcClient,
  find: FindTransactions,
): Promise<BroadcastAnswer> {
  const last = transactions.at(-1)
  if (last === undefined) throw new Error('there is no transaction to broadcast')
  const answers = await arc.submit(await extended(transactions, find))
  const words = new Map<string, ArcWord>()
  for (const answer of answers) {
    const txid = answer.txid?.toLowerCase() || (transactions.length === 1 ? last.txid : '')
    words.set(txid, readArcAnswer(answer))
  }

  const word = words.get(last.txid)
  if (word?.kind === 'seen' || word?.kind === 'mined') return { kind: 'accepted' }
  const refusals = [...transactions.map(({ txid }) => words.get(txid)), ...words.values()].flatMap(each =>
    each?.kind === 'rejected' ? [each] : [],
  )
  // An orphan is one because of what is wrong with another, where anything is.
  const refusal = refusals.find(({ reason }) => reason !== 'orphan') ?? refusals[0]
  if (refusal !== undefined) return refusal
  throw new Error(
    `the network has not said yet that it has seen ${last.txid} (${word?.detail ?? `${arc.name} does not mention it`})`,
  )
}

/**
 * With the outputs that they spend, where those are known. ARC looks for the others itself, which takes it longer,
 * and finds only what has reached the network.
 */
async function extended(transactions: readonly Transaction[], find: FindTransactions): Promise<Uint8Array[]> {
  const byTxid = new Map(transactions.map(each => [each.txid, each]))
  const others = new Set(transactions.flatMap(({ inputs }) => inputs.map(({ txid }) => txid)))
  for (const txid of byTxid.keys()) others.delete(txid)
  for (const parent of await find([...others])) byTxid.set(parent.txid, parent)
  return transactions.map(transaction => {
    const spent: Output[] = transaction.inputs.flatMap(
      ({ txid, vout }) => byTxid.get(txid)?.outputs[vout] ?? [],
    )
    return spent.length === transaction.inputs.length ? extendedFormat(transaction, spent) : transaction.raw
  })
}
