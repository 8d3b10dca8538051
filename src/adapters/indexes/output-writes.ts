import type { Pool } from 'pg'
import type { OutputIndex, SpentOutputIndex } from '../../../lookup-services/output-index.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'

export type Resettable = {
  /** Resolves once the index is empty, to be filled again from admitted outputs. */
  reset(): Promise<void>
}

/** What all indexes do alike, whatever it is that they list. An index is named as its table is. */
export function outputWrites(pool: Pool, index: string): Pick<OutputIndex<never>, 'remove'> & Resettable {
  const remove = removeOutputs(index)
  return {
    async remove({ txid, vout }) {
      writeWithAdmission({ index, sql: remove, row: { txid, vout } })
    },
    async reset() {
      await pool.query(`truncate ${index}`)
    },
  }
}

/** The same, where outputs stay listed once they are spent; `spend` reads a row of txid, vout and spent_by. */
export function spentOutputWrites(pool: Pool, index: string, spend: string) {
  const spendBack = takeSpendsBack(index)
  const marks: Pick<SpentOutputIndex<never>, 'markSpent' | 'markUnspent'> = {
    async markSpent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: spend, row: { txid, vout, spent_by: spendingTxid } })
    },
    async markUnspent({ txid, vout }, spendingTxid) {
      writeWithAdmission({ index, sql: spendBack, row: { txid, vout, spent_by: spendingTxid } })
    },
  }
  return { ...outputWrites(pool, index), ...marks }
}

function removeOutputs(table: string): string {
  return `
  delete from ${table} as listed using jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout`
}

function takeSpendsBack(table: string): string {
  return `
  update ${table} as listed set spent_by = null
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, spent_by text)
  where listed.txid = decode(given.txid, 'hex') and listed.vout = given.vout
    and listed.spent_by = decode(given.spent_by, 'hex')`
}
