import type { ListPosition } from '../../../lookup-services/cursor.ts'
import { bytea } from '../postgres/sql.ts'

export type Order = 'asc' | 'desc'

/** What a statement asks of a row `listed`, and the parameters that it names. */
export type Conditions = {
  readonly values: unknown[]
  /** The parameter that holds the value. */
  given(value: unknown): string
  also(condition: string): void
  /** Nothing is asked where the value is undefined. */
  only(column: string, comparison: '=' | '<' | '<=' | '>' | '>=', value: string | number | undefined): void
  /** The same of a column of bytes. */
  onlyBytes(column: string, hex: string | undefined): void
  onlySpent(spent: boolean | undefined): void
  /** Behind this one, in the order of `byAdmission`. */
  onlyAfter(position: ListPosition | undefined, order: Order): void
  /** `where` with all of them, or nothing. */
  where(): string
}

export function conditionsOf(): Conditions {
  const values: unknown[] = []
  const conditions: string[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const only: Conditions['only'] = (column, comparison, value) => {
    if (value !== undefined) conditions.push(`listed.${column} ${comparison} ${given(value)}`)
  }
  return {
    values,
    given,
    only,
    also: condition => conditions.push(condition),
    onlyBytes(column, hex) {
      if (hex !== undefined) only(column, '=', bytea(hex))
    },
    onlySpent(spent) {
      if (spent !== undefined) conditions.push(`listed.spent_by is ${spent ? 'not null' : 'null'}`)
    },
    onlyAfter(position, order) {
      if (position === undefined) return
      const { admittedMs, txid, vout } = position
      const place = [admittedMs, bytea(txid), vout].map(given).join(', ')
      conditions.push(
        `(listed.admitted_ms, listed.txid, listed.vout) ${order === 'asc' ? '>' : '<'} (${place})`,
      )
    },
    where: () => (conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''),
  }
}

/** Qualified, because an answer has a column `txid` of its own, which is text. */
export function byAdmission(order: Order): string {
  return ['admitted_ms', 'txid', 'vout'].map(column => `listed.${column} ${order}`).join(', ')
}
