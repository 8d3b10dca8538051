import type { Pool } from 'pg'
import { pause } from '../../runtime/pause.ts'
import { repeat } from '../../runtime/repeat.ts'
import { countIntervals } from './intervals.ts'
import { type ProjectionBounds, projectionBounds, projectSome } from './project.ts'
import { type RestBounds, restAfter, restBounds } from './rest.ts'

export type ProjectorDeps = {
  readonly pool: Pool
  now(): number
  /** How busy it is where projections must not be in the way, since it was asked last: 0 to 1. */
  busy(): number
  /** Events that no projection has seen yet, as far as is known. */
  behindEvents(): number
  onProjected?(events: number): void
  onUnread(partitionId: number, error: unknown): void
  onFailure(error: unknown): void
  readonly bounds?: Partial<ProjectionBounds & RestBounds>
  readonly everyMs?: number
}

export type Projector = {
  stop(): Promise<void>
}

/** What comes within it is read together: a batch costs about as much as a hundred events. */
export const PROJECT_EVERY_MS = 250
const AGAIN_MS = 2_000
const COUNT_EVERY_MS = 10_000

/** Keeps the projections up with the log, behind the hot path: the busier it is there, the longer it rests. */
export function startProjector(deps: ProjectorDeps): Projector {
  const bounds = { ...projectionBounds, ...restBounds, ...deps.bounds }
  const stopping = new AbortController()
  let countedMs = Number.NEGATIVE_INFINITY
  const countOverIntervals = async () => {
    if (performance.now() - countedMs < COUNT_EVERY_MS) return undefined
    const more = await countIntervals(deps.pool, deps.now())
    if (more === undefined) countedMs = performance.now()
    return more
  }
  const work = async () => {
    const startedMs = performance.now()
    const { events, isMore, unread } = await projectSome(deps.pool, bounds, deps.now())
    for (const { partitionId, error } of unread) deps.onUnread(partitionId, error)
    deps.onProjected?.(events)
    if (!isMore) return countOverIntervals()
    const restMs = restAfter(
      performance.now() - startedMs,
      { busy: deps.busy(), behindEvents: deps.behindEvents() },
      bounds,
    )
    if (restMs > 0) await pause(restMs, stopping.signal)
    return 'more'
  }
  const repeating = repeat(work, {
    everyMs: deps.everyMs ?? PROJECT_EVERY_MS,
    againMs: AGAIN_MS,
    onFailure: deps.onFailure,
  })
  return {
    async stop() {
      stopping.abort()
      await repeating.stop()
    },
  }
}
