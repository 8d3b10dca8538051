import type { Limits } from '../../core/registry/limits.ts'
import { readMeters } from '../log/meters.ts'
import type { Queryable } from '../postgres/sql.ts'

/** What was taken in a day or a month, against what may be. */
export type WindowUsage = {
  readonly window: 'day' | 'month'
  readonly fromMs: number
  readonly untilMs: number
  readonly eventsMax: number | null
  readonly bytesMax: number | null
  readonly used: { readonly requests: number; readonly events: number; readonly bytes: number }
}

/** `scope` is `source` or `stream`, and an id. */
export async function readUsage(
  db: Queryable,
  scope: string,
  limits: Limits,
  nowMs: number,
): Promise<readonly WindowUsage[]> {
  const { day, month } = await readMeters(db, scope, nowMs)
  return [
    windowUsage('day', day, limits.eventsPerDay, limits.bytesPerDay),
    windowUsage('month', month, limits.eventsPerMonth, limits.bytesPerMonth),
  ]
}

function windowUsage(
  window: WindowUsage['window'],
  { startsMs, endsMs, ...used }: Awaited<ReturnType<typeof readMeters>>['day'],
  eventsMax: number | undefined,
  bytesMax: number | undefined,
): WindowUsage {
  return {
    ...{ window, fromMs: startsMs, untilMs: endsMs },
    ...{ eventsMax: eventsMax ?? null, bytesMax: bytesMax ?? null },
    used,
  }
}
