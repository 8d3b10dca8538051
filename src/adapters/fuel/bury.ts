import type { Pool } from 'pg'
import { outpointText, readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { dayOf } from './fuel-settings.ts'

/** `rivals`: transactions that the network has in its place, or `unknown` where it has some and does not say which. */
export type Death = { readonly reason: string; readonly rivals: readonly string[] | 'unknown' }

/**
 * Records that the network will not have it, for good. The coins that it would have spent are free again, except
 * those that a rival has spent, or may have. Resolves with whether it was alive.
 */
export async function bury(
  txid: string,
  { reason, rivals }: Death,
  { pool }: { pool: Pool },
): Promise<boolean> {
  return inTransaction(pool, async db => {
    const { rows } = await db.query<{ raw: Buffer; cost: number; writtenMs: number }>({
      text: `update fuel_transactions set state = 'dead', last_error = $2 where txid = $1 and state in ('stored', 'seen')
        returning raw, cost, written_ms as "writtenMs"`,
      values: [bytea(txid), keptText(reason, REASON_CHARS_MAX)],
    })
    const [row] = rows
    if (row === undefined) return false
    const { inputs } = orThrow(readTransaction(row.raw))
    const gone = await spentByRivals(inputs, rivals, db)
    const free = inputs.filter(input => !gone.has(outpointText(input)))
    const freed = await db.query<{ satoshis: number }>({
      text: `update fuel_coins set spent_by = null from unnest($2::bytea[], $3::bigint[]) as coin (txid, vout)
        where fuel_coins.txid = coin.txid and fuel_coins.vout = coin.vout and spent_by = $1 returning satoshis`,
      values: [bytea(txid), byteas(free.map(each => each.txid)), free.map(({ vout }) => vout)],
    })
    // What it would have cost is not spent after all, as far as its coins are back.
    if (gone.size === 0 && (freed.rowCount ?? 0) > 0)
      await db.query({
        text: 'update fuel_days set satoshis = satoshis - $2 where day = $1',
        values: [dayOf(row.writtenMs), row.cost],
      })
    return true
  })
}

const REASON_CHARS_MAX = 500

async function spentByRivals(
  inputs: readonly Outpoint[],
  rivals: Death['rivals'],
  db: Queryable,
): Promise<ReadonlySet<string>> {
  if (rivals !== 'unknown' && rivals.length === 0) return new Set()
  const known = rivals === 'unknown' ? [] : await readRaws(rivals, db)
  // Of a rival whose bytes are not here nobody can say what it spends.
  if (rivals === 'unknown' || known.length < new Set(rivals).size) return new Set(inputs.map(outpointText))
  return new Set(known.flatMap(raw => orThrow(readTransaction(raw)).inputs.map(outpointText)))
}

async function readRaws(txids: readonly string[], db: Queryable): Promise<Buffer[]> {
  const { rows } = await db.query<{ raw: Buffer }>({
    text: `select raw from fuel_transactions where txid = any ($1::bytea[])
      union select raw from transactions where txid = any ($1::bytea[])`,
    values: [byteas(txids)],
  })
  return rows.map(({ raw }) => raw)
}
