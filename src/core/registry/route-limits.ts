import type { Json } from '../canonical-json.ts'
import type { Outcome } from '../fault.ts'
import { bySchema, closed } from '../schema.ts'
import type { Limits } from './limits.ts'
import { limits } from './members.ts'

/** Where events are posted: one service, with two shapes of answer. */
export const ingestPaths = ['/ingest/events', '/overlay/events/ingest'] as const
export type IngestPath = (typeof ingestPaths)[number]

/** What each source may send by a route, beside what it may send in all. */
export type RouteLimits = Readonly<Record<IngestPath, Limits>>

const shape = closed({ '/ingest/events': limits, '/overlay/events/ingest': limits })

export function readRouteLimits(json: Json): Outcome<RouteLimits> {
  return bySchema(shape, json, 'registration-invalid')
}
