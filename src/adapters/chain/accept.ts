import type { Pool } from 'pg'
import {
  FINAL_SEQUENCE,
  nowhere,
  type Output,
  outpointText,
  readTransaction,
  type Transaction,
} from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { bytea, byteas, hexOf, inTransaction, type Queryable } from '../postgres/sql.ts'
import { admit } from './admit.ts'
import type { BroadcastAnswer } from './chain.ts'
import { beginWith } from './locks.ts'
import type { RecentTransactions } from './recent-transactions.ts'

/** Whether input `index` may spend `spent`. */
export type Satisfies = (transaction: Transaction, index: number, spent: Output) => boolean | Promise<boolean>

export type Rules = {
  readonly satisfies: Satisfies
  readonly recent: RecentTransactions
  /** What a lock time is measured against. */
  readonly nextBlock: () => { readonly height: number; readonly timeSeconds: number }
}

type Refused = Extract<BroadcastAnswer, { kind: 'rejected' }>

/** More in one call is a mistake or an attack; a caller with a longer chain sends it in pieces. */
export const BROADCAST_TRANSACTIONS_MAX = 1_000

/**
 * Takes the transactions into the mempool one by one, and answers for the last. One that is known already costs a
 * row of a query; one that is refused takes its children with it, and nobody else.
 */
export async function accept(
  pool: Pool,
  rules: Rules,
  transactions: readonly Transaction[],
): Promise<BroadcastAnswer> {
  const last = transactions.at(-1)
  if (last === undefined) throw new Error('there is no transaction to broadcast; hand over at least one')
  if (transactions.length > BROADCAST_TRANSACTIONS_MAX)
    throw new Error(
      `${transactions.length} transactions in one broadcast; send at most ${BROADCAST_TRANSACTIONS_MAX}, parents first`,
    )
  const guessed = await acceptNewest(pool, rules, transactions)
  if (guessed !== undefined) return guessed
  const known = await liveAmong(pool, transactions)
  // What is in the mempool or mined has had its ancestors there too.
  if (known.has(last.txid)) return { kind: 'accepted' }
  const refused = new Map<string, Refused>()
  for (const transaction of transactions) {
    if (known.has(transaction.txid)) continue
    const answer = refusedParent(transaction, refused) ?? (await acceptOne(pool, rules, transaction))
    if (answer.kind === 'rejected') refused.set(transaction.txid, answer)
  }
  return refused.get(last.txid) ?? { kind: 'accepted' }
}

/**
 * Most often all but the last have just been here, and the last is new: then nothing needs to be asked first. Undefined where
 * it is otherwise, or turns out to be.
 */
async function acceptNewest(
  pool: Pool,
  rules: Rules,
  transactions: readonly Transaction[],
): Promise<BroadcastAnswer | undefined> {
  const last = transactions.at(-1)
  if (last === undefined || rules.recent.get(last.txid) !== undefined) return undefined
  if (transactions.some(({ txid }) => txid !== last.txid && rules.recent.get(txid) === undefined))
    return undefined
  const answer = await acceptOne(pool, rules, last)
  return answer.kind === 'rejected' && answer.reason === 'orphan' ? undefined : answer
}

async function acceptOne(pool: Pool, rules: Rules, given: Transaction): Promise<BroadcastAnswer> {
  // A copy: what is kept of it must not hold on to the whole request that it came in.
  const read = readTransaction(given.raw.slice())
  if (!read.ok) return invalid(read.fault.detail)
  const transaction = read.value
  if (!isFinal(transaction, rules.nextBlock()))
    return {
      ...invalid(`${transaction.txid} has a lock time that has not come; send it when it has`),
      reason: 'not-final',
    }
  const against = await againstSpends(pool, rules, transaction)
  if (against !== undefined) return against

  const admission = await inTransaction(pool, client => admit(client, transaction), {
    begin: beginWith.arrivalsShared,
    keep: ({ kind }) => kind === 'pooled',
  })
  if (admission.kind === 'orphan') return orphan(pool, rules.recent, transaction)
  if (admission.kind !== 'double-spend') {
    rules.recent.keep(transaction)
    return { kind: 'accepted' }
  }
  return doubleSpend(transaction, admission.competing)
}

/** What speaks against it, from the bytes of what it spends alone: these never change. */
export async function againstSpends(
  client: Queryable,
  { satisfies, recent }: Pick<Rules, 'satisfies' | 'recent'>,
  transaction: Transaction,
): Promise<Refused | undefined> {
  const coins = await coinsOf(client, recent, transaction)
  if (coins === undefined) return orphan(client, recent, transaction)
  let left = coins.reduce((sum, { satoshis }) => sum + satoshis, 0)
  for (const { satoshis } of transaction.outputs) left -= satoshis
  if (left < 0) return invalid(`${transaction.txid} pays out ${-left} satoshis more than it takes in`)
  for (const [index, coin] of coins.entries())
    if (!(await satisfies(transaction, index, coin)))
      return invalid(
        `input ${index} of ${transaction.txid} does not satisfy the lock of the coin that it spends`,
      )
  return undefined
}

/** At a time, because each may be as long as a transaction gets. */
const PARENTS_PER_QUERY = 16

/** The outputs that it spends, in the order of its inputs; undefined where one of them never was. */
async function coinsOf(
  client: Queryable,
  recent: RecentTransactions,
  { inputs }: Transaction,
): Promise<Output[] | undefined> {
  const wanted = new Map<string, Outpoint[]>()
  for (const input of inputs) {
    const siblings = wanted.get(input.txid)
    if (siblings === undefined) wanted.set(input.txid, [input])
    else siblings.push(input)
  }
  const found = new Map<string, Output>()
  const take = ({ txid, outputs }: Transaction) => {
    for (const coin of wanted.get(txid) ?? []) {
      const output = outputs[coin.vout]
      if (output !== undefined) found.set(outpointText(coin), output)
    }
  }
  const missing: string[] = []
  for (const txid of wanted.keys()) {
    const parent = recent.get(txid)
    if (parent === undefined) missing.push(txid)
    else take(parent)
  }
  for (let at = 0; at < missing.length; at += PARENTS_PER_QUERY) {
    const { rows } = await client.query<{ raw: Buffer }>({
      name: 'chain-parents',
      text: 'SELECT raw FROM chain_transactions WHERE txid = ANY ($1::bytea[])',
      values: [byteas(missing.slice(at, at + PARENTS_PER_QUERY))],
    })
    for (const { raw } of rows) {
      const parent = storedTransaction(raw)
      recent.keep(parent)
      take(parent)
    }
  }
  const coins = inputs.flatMap(input => found.get(outpointText(input)) ?? [])
  return coins.length === inputs.length ? coins : undefined
}

/** Bytes of the database, which only ever holds what the strict reader took. */
export function storedTransaction(raw: Uint8Array): Transaction {
  const read = readTransaction(raw)
  if (!read.ok) throw new Error(`a stored transaction cannot be read: ${read.fault.detail}`)
  return read.value
}

async function liveAmong(client: Queryable, transactions: readonly Transaction[]): Promise<Set<string>> {
  const { rows } = await client.query<{ txid: Buffer }>({
    name: 'chain-live',
    text: `SELECT txid FROM chain_transactions WHERE txid = ANY ($1::bytea[]) AND state <> 'rejected'`,
    values: [transactions.map(({ txid }) => bytea(txid))],
  })
  return new Set(rows.map(({ txid }) => hexOf(txid)))
}

/** Which parent is missing, and why: whoever sent it wants to know what to send first, or that it is lost. */
async function orphan(
  client: Queryable,
  recent: RecentTransactions,
  transaction: Transaction,
): Promise<Refused> {
  const { rows } = await client.query<{ txid: Buffer; state: string; rejected_for: Buffer | null }>(
    'SELECT txid, state, rejected_for FROM chain_transactions WHERE txid = ANY ($1::bytea[])',
    [transaction.inputs.map(({ txid }) => bytea(txid))],
  )
  const parents = new Map(rows.map(row => [hexOf(row.txid), row]))
  for (const { txid, vout } of transaction.inputs) {
    const parent = parents.get(txid)
    const coin = `${transaction.txid} spends output ${vout} of ${txid}`
    if (parent === undefined)
      return {
        ...invalid(`${coin}, which this chain has never seen; send it first, or check which chain it is on`),
        // Only a block may mint.
        reason: txid === nowhere.txid ? 'invalid' : 'orphan',
      }
    if (parent.state !== 'rejected') continue
    const winner = parent.rejected_for === null ? undefined : hexOf(parent.rejected_for)
    const why = winner === undefined ? '' : ` in favour of ${winner}`
    return {
      ...invalid(`${coin}, which was thrown out${why}`),
      competing: winner === undefined ? [] : [winner],
    }
  }
  // All are here: the last of them has come since this was asked first, or there is no such output.
  return (await coinsOf(client, recent, transaction)) === undefined
    ? invalid(`${transaction.txid} spends an output that its transaction does not have`)
    : {
        ...invalid(`${transaction.txid} came at the same time as what it spends; send it again`),
        reason: 'orphan',
      }
}

function refusedParent(transaction: Transaction, refused: ReadonlyMap<string, Refused>): Refused | undefined {
  for (const { txid } of transaction.inputs) {
    const parent = refused.get(txid)
    if (parent !== undefined)
      return { ...parent, detail: `${transaction.txid} spends ${txid}, which is refused: ${parent.detail}` }
  }
  return undefined
}

const LOCK_TIME_IS_A_CLOCK_FROM = 500_000_000

function isFinal({ lockTime, inputs }: Transaction, next: ReturnType<Rules['nextBlock']>): boolean {
  if (inputs.every(({ sequence }) => sequence === FINAL_SEQUENCE)) return true
  return lockTime < (lockTime < LOCK_TIME_IS_A_CLOCK_FROM ? next.height : next.timeSeconds)
}

function doubleSpend({ txid }: Transaction, competing: readonly string[]): Refused {
  const detail = `${txid} spends a coin that ${competing.join(', ')} spent first`
  return { kind: 'rejected', reason: 'double-spend', detail, competing }
}

function invalid(detail: string): Refused {
  return { kind: 'rejected', reason: 'invalid', detail, competing: [] }
}
