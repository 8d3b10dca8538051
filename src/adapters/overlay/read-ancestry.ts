import { ancestry, type BeefTransaction } from '../../contract/beef.ts'
import { readBump } from '../../contract/bump.ts'
import { readTransaction } from '../../contract/transaction.ts'
import { orThrow } from '../../core/fault.ts'
import { byteas, type Queryable } from './sql.ts'

/**
 * These stored transactions with all they need, as it stands now: down to what a block proves. Nothing but raw
 * transactions and proofs is stored, so a proof that comes or goes shows in every BEEF from then on.
 */
export async function readAncestry(db: Queryable, txids: readonly string[]): Promise<Ancestry> {
  const { rows } = await db.query<Row>({ name: 'read-ancestry', text: sql, values: [byteas(txids)] })
  const byTxid = new Map(rows.map(row => [row.txid, transactionOf(row)]))
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

const sql = `
  with recursive needed (txid) as (
    select unnest($1::bytea[])
    union
    select coins.txid from needed join transactions using (txid) join coins on coins.spender = needed.txid
      where transactions.proof is null
  )
  select encode(txid, 'hex') as txid, raw, proof from needed join transactions using (txid)`

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
