import { anything, flag, list, number, object, orNull, type Read, text } from '../ask/shapes.ts'

/* What this page reads of `/agents`. */

const agentShape = object({
  agentKey: text,
  operator: text,
  independence: text,
  stages: list(text),
  region: orNull(text),
  satoshisPerThousandEvents: number,
  reachable: flag,
  latencyMs: orNull(number),
  expiresMs: number,
  reputation: object({
    score: number,
    terms: list(object({ term: text, count: number, weight: number })),
  }),
  health: anything,
})
export type Agent = Read<typeof agentShape>
export const agentsShape = object({ agents: list(agentShape), total: number })
