/** What an agent has shown so far, as of a time: each count has worn off since by how long ago it was. */
export type AgentTerms = { readonly [term in Term]: number } & { readonly asOfMs: number }

/** What each counts for: two times as much is two times as bad, or good. */
export const termWeights = {
  agreed: 1,
  dissenting: -8,
  silent: -5,
  late: -1,
  failed: -2,
  void: -10,
  equivocated: -40,
} as const satisfies Record<string, number>

export type Term = keyof typeof termWeights
export const terms = [
  'agreed',
  'dissenting',
  'silent',
  'late',
  'failed',
  'void',
  'equivocated',
] as const satisfies Term[]

/** Half of what an agent has shown is forgotten after this time, good and bad alike: every reputation recovers. */
export const HALF_LIFE_MS = 24 * 60 * 60_000

export type Reputation = {
  /** 0 to 100; 100 for whoever has shown nothing against itself. */
  readonly score: number
  /** Each as of now, and what it adds to the good or to the bad. */
  readonly terms: readonly { readonly term: Term; readonly count: number; readonly weight: number }[]
}

/** Of all that speaks for and against an agent, the part that speaks for it. */
export function reputationOf(shown: AgentTerms, nowMs: number, halfLifeMs = HALF_LIFE_MS): Reputation {
  const left = 0.5 ** (Math.max(0, nowMs - shown.asOfMs) / halfLifeMs)
  const found = terms.map(term => ({ term, count: shown[term] * left, weight: termWeights[term] }))
  const bad = found.reduce((sum, { count, weight }) => sum + Math.max(0, -weight) * count, 0)
  const good = found.reduce((sum, { count, weight }) => sum + Math.max(0, weight) * count, 0)
  // A newcomer's first slip must not weigh as much as a whole record: it is given some credit.
  const score = (100 * (good + CREDIT)) / (good + bad + CREDIT)
  return { score: Math.round(score * 10) / 10, terms: found }
}

const CREDIT = 20
