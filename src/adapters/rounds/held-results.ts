import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import type { ResultStatus } from '../../core/rounds/pipeline.ts'
import type { HeldResult } from '../../jobs/ports.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** Per job, the answers that a step from it can spend: their work is here, the network has them, nobody spends them. */
export async function readHeldResults(
  db: Queryable,
  jobTxs: readonly string[],
): Promise<Map<string, HeldResult[]>> {
  const results = new Map<string, HeldResult[]>()
  if (jobTxs.length === 0) return results
  const { rows } = await db.query<HeldRow>({
    name: 'rounds-held-results',
    text: `select encode(result.job_tx, 'hex') as "jobTx", encode(result.txid, 'hex') as txid, result.vout as seat,
        result.status, encode(result.leaves, 'hex') as leaves, known.raw
      from round_results as result
      join transactions as known on known.txid = result.txid
      left join coins as coin on coin.txid = result.txid and coin.vout = 0
      where result.job_tx = any ((select $1::bytea[])::bytea[]) and result.work = 'held'
        and (coin.spender is null or exists (select from fuel_transactions as gone
          where gone.txid = coin.spender and gone.state = 'dead'))
        and not exists (select from outbox where outbox.txid = result.txid and outbox.target = 'network')
      order by result.vout, result.arrived_ms, result.txid`,
    values: [byteas(jobTxs)],
  })
  for (const { jobTx, txid, seat, status, leaves, raw } of rows) {
    const transaction = orThrow(readTransaction(Uint8Array.from(raw)))
    const result = { txid, seat, status, leaves: leavesOf(leaves), transaction }
    results.set(jobTx, [...(results.get(jobTx) ?? []), result])
  }
  return results
}

type HeldRow = {
  readonly jobTx: string
  readonly txid: string
  readonly seat: number
  readonly status: ResultStatus
  readonly leaves: string
  readonly raw: Buffer
}

export function leavesOf(hex: string): string[] {
  return hex.match(/.{64}/g) ?? []
}
