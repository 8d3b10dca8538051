import { ancestry, type BeefTransaction } from '../../contract/beef.ts'
import { readBump } from '../../contract/bump.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/**
 * These stored transactions with all they need, as it stands now: down to what a block proves. Nothing but raw
 * transactions and proofs is stored, so a proof that comes or goes shows in every BEEF from then on.
 */
export async function readAncestry(db: Queryable, txids: readonly string[]): Promise<Ancestry> {
  const ancestry = await readAncestryUpTo(db, txids, null)
  if (ancestry === undefined) throw new Error('an ancestry without a bound was refused')
  return ancestry
}

/** The same; undefined, and nothing of it given, where all of it is longer than `bytesMax`. */
export async function readAncestryUpTo(
  db: Queryable,
  txids: readonly string[],
  bytesMax: number | null,
): Promise<Ancestry | undefined> {
  const read = await readDown(db, txids, bytesMax)
  return read && ancestryIn(new Map(read.map(each => [each.txid, each])))
}

/** Down to what a block proves. */
export async function readDown(
  db: Queryable,
  txids: readonly string[],
  bytesMax: number | null,
): Promise<BeefTransaction[] | undefined> {
  const { rows } = await db.query<Row | TooLong>({
    name: 'read-ancestry',
    text: sql,
    values: [byteas(txids), bytesMax],
  })
  if (rows.some(isTooLong)) return undefined
  return rows.flatMap(row => (isTooLong(row) ? [] : [transactionOf(row)]))
}

export function ancestryIn(byTxid: ReadonlyMap<string, BeefTransaction>): Ancestry {
  return {
    byTxid,
    historyOf(txid) {
      const subject = byTxid.get(txid)
      const history = subject && ancestry({ subject, byTxid })
      return history?.every(each => isComplete(each, byTxid)) ? history : undefined
    },
  }
}

export type Ancestry = {
  readonly byTxid: ReadonlyMap<string, BeefTransaction>
  /**
   * The transaction and all it needs, parents first. Undefined where it is not stored, or where a reorganisation
   * took a proof and the network has not given another one yet.
   */
  historyOf(txid: string): readonly BeefTransaction[] | undefined
}

type Row = { txid: string; raw: Buffer; proof: Buffer | null }
/** Stands for all rows. */
type TooLong = { txid: null }

function isTooLong(row: Row | TooLong): row is TooLong {
  return row.txid === null
}

const sql = `
  with recursive needed (txid) as (
    select unnest((select $1::bytea[]))
    union
    select coins.txid from needed join transactions using (txid) join coins on coins.spender = needed.txid
      where transactions.proof is null
  ), whole (fits) as (
    select $2::bigint is null or coalesce(sum(octet_length(raw) + coalesce(octet_length(proof), 0)), 0) <= $2
      from needed join transactions using (txid)
  )
  select encode(txid, 'hex') as txid, raw, proof from needed join transactions using (txid)
    where (select fits from whole)
  union all
  select null, null, null from whole where not fits`

/** What is stored was read strictly before: a fault here is ours, or the disk's. */
function transactionOf({ raw, proof }: Row): BeefTransaction {
  const transaction = orThrow(readTransaction(raw))
  return proof === null ? transaction : { ...transaction, proof: orThrow(readBump(proof)) }
}

function isComplete(
  { proof, inputs }: BeefTransaction,
  byTxid: ReadonlyMap<string, BeefTransaction>,
): boolean {
  return proof !== undefined || inputs.every(({ txid }) => byTxid.has(txid))
}
