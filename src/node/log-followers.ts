import { openRoundFacts } from '../adapters/rounds/facts.ts'
import { keptFor } from '../runtime/kept-for.ts'
import { type NodeProjectingDeps, startNodeProjecting } from './node-projecting.ts'
import { type NodeSealing, type NodeSealingDeps, startNodeSealing } from './node-sealing.ts'

/** What works behind ingest, from what the log has taken in: packets, and the tables that events are looked up in. */
export type LogFollowers = NodeSealing

export type LogFollowersDeps = Omit<NodeSealingDeps, 'backlog'> &
  Omit<NodeProjectingDeps, 'pool'> & {
    /** The key whose certificates sealing keeps pace with; undefined where nobody here certifies. */
    readonly logKey?: string | undefined
  }

/** The sealer asks at each of its looks; what it decides by it takes seconds to change. */
const BACKLOG_MS = 500

/** In this thread, until the stops run. */
export async function startLogFollowers(
  settings: Parameters<typeof startNodeSealing>[0],
  { logKey, ...deps }: LogFollowersDeps,
): Promise<LogFollowers> {
  const { pool } = deps.database
  const { now } = deps
  const sealing = await startNodeSealing(settings, {
    ...deps,
    ...(logKey !== undefined && {
      backlog: keptFor(BACKLOG_MS, openRoundFacts({ pool, log: logKey, now }).backlog).read,
    }),
  })
  startNodeProjecting({ ...deps, pool })
  return sealing
}
