import type { Pool } from 'pg'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { readToken, type TokenOf, tagOf } from '../../src/contract/tokens.ts'
import { outpointText, readTransaction, type Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { History } from '../../src/core/rounds/judging/history.ts'
import type { PipelineTransaction } from '../../src/core/rounds/pipeline.ts'

/** All that the private chain holds, in a block or waiting for one: what the network itself would say. */
export type ChainView = {
  readonly transactions: ReadonlyMap<string, Transaction>
  readonly history: History
  /** By outpoint, the txid of what spends it. */
  readonly spenders: ReadonlyMap<string, string>
  readonly certificates: readonly OnChain[]
}

export type OnChain = {
  readonly txid: string
  readonly vout: number
  readonly token: TokenOf<'GDC1'>
  readonly isSpent: boolean
  readonly transaction: PipelineTransaction
}

export async function readChain(pool: Pool): Promise<ChainView> {
  const { rows } = await pool.query<{ raw: Buffer }>(
    `select raw from chain_transactions where state <> 'rejected'`,
  )
  const all = rows.map(({ raw }) => orThrow(readTransaction(new Uint8Array(raw))))
  const transactions = new Map(all.map(each => [each.txid, each]))
  const history = new Map(all.map(each => [each.txid, pipelineTransaction(each)]))
  const spenders = new Map(
    all.flatMap(({ txid, inputs }) => inputs.map(input => [outpointText(input), txid])),
  )
  const certificates = all.flatMap(({ txid, outputs }) => {
    const transaction = history.get(txid)
    if (transaction?.role.kind !== 'certificate') return []
    return outputs.flatMap(({ script }, vout) => {
      const token = tagOf(script) === 'GDC1' ? orThrow(readToken(script)) : undefined
      if (token?.tag !== 'GDC1') return []
      return [{ txid, vout, token, isSpent: spenders.has(outpointText({ txid, vout })), transaction }]
    })
  })
  return { transactions, history, spenders, certificates }
}
