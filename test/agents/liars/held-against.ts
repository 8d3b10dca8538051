import type { Pool } from 'pg'

/** What is on record of an agent: evidence by kind, and the terms of its reputation that speak against it. */
export type HeldAgainst = {
  readonly evidence: ReadonlyMap<string, number>
  readonly badTerms: number
}

export async function heldAgainst(pool: Pool, agentKey: string): Promise<HeldAgainst> {
  const key = Buffer.from(agentKey, 'hex')
  const { rows } = await pool.query<{ kind: string; count: number }>(
    `select kind, count(*)::int as count from evidence where agent_key = $1 group by kind`,
    [key],
  )
  const terms = await pool.query<{ bad: number }>(
    `select dissenting + silent + late + failed + void + equivocated as bad from agent_records where agent_key = $1`,
    [key],
  )
  return {
    evidence: new Map(rows.map(({ kind, count }) => [kind, count])),
    badTerms: terms.rows[0]?.bad ?? 0,
  }
}

/** Who is named by evidence of these kinds about this round, in any of its stages. */
export async function namedIn(pool: Pool, roundId: string, kinds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ agent: string }>(
    `select distinct encode(agent_key, 'hex') as agent from evidence where round_id = $1 and kind = any ($2)`,
    [Buffer.from(roundId, 'hex'), kinds],
  )
  return rows.map(({ agent }) => agent)
}
