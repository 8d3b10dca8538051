import type { Pool } from 'pg'
import * as z from 'zod'

/** How a statement was carried out. */
export type Plan = {
  readonly node: string
  readonly table: string | undefined
  readonly index: string | undefined
  /** In all of its loops. */
  readonly rows: number
  /** The same, with those that did not fit. */
  readonly looked: number
  readonly depth: number
}

/** Asks the same of the pool, and has every statement explained first. */
export function explaining(pool: Pool, tell: (plan: readonly Plan[], ms: number) => void): Pool {
  const query = async (asked: string | { text: string; values?: unknown[] }, values?: unknown[]) => {
    const [text, given] = typeof asked === 'string' ? [asked, values] : [asked.text, asked.values]
    const { rows } = await pool.query(`explain (analyze, buffers, format json) ${text}`, given)
    const [explained] = explanation.parse(rows[0]?.['QUERY PLAN'])
    if (explained !== undefined) tell(flattened(explained.Plan, 0), explained['Execution Time'])
    return pool.query(text, given)
  }
  return Object.assign(Object.create(pool), { query })
}

type Node = {
  'Node Type': string
  'Relation Name'?: string | undefined
  'Index Name'?: string | undefined
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number | undefined
  Plans?: Node[] | undefined
}
const node: z.ZodType<Node> = z.lazy(() =>
  z.object({
    'Node Type': z.string(),
    'Relation Name': z.string().optional(),
    'Index Name': z.string().optional(),
    'Actual Rows': z.number(),
    'Actual Loops': z.number(),
    'Rows Removed by Filter': z.number().optional(),
    Plans: z.array(node).optional(),
  }),
)
const explanation = z.array(z.object({ Plan: node, 'Execution Time': z.number() }))

function flattened(plan: Node, depth: number): Plan[] {
  const own = {
    node: plan['Node Type'],
    table: plan['Relation Name'],
    index: plan['Index Name'],
    rows: plan['Actual Rows'] * plan['Actual Loops'],
    looked: (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'],
    depth,
  }
  return [own, ...(plan.Plans ?? []).flatMap(each => flattened(each, depth + 1))]
}
