import type { Pool } from 'pg'
import { noteStep } from '../adapters/quarantine/note-step.ts'
import { findHeld, listQuarantine, readSteps } from '../adapters/quarantine/read-quarantine.ts'
import { waive } from '../adapters/quarantine/waive.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import type { Quarantine } from '../http/quarantine-routes.ts'
import type { Accept } from '../ingest/arrived.ts'
import { mayDecide } from '../ingest/may-decide.ts'
import { releaseHeld } from '../ingest/release.ts'

export type NodeQuarantineDeps = {
  readonly pool: Pool
  readonly registry: Pick<Registry, 'source' | 'stream'>
  readonly accept: Accept
  now(): number
}

/** What was set aside, and how it is let in again or given up. */
export function openNodeQuarantine({ pool, registry, accept, now }: NodeQuarantineDeps): Quarantine {
  const find = (id: number) => findHeld(pool, id)
  return {
    list: (filter, page) => listQuarantine(pool, filter, page),
    async inspect(id) {
      const item = await find(id)
      return item && { item, steps: await readSteps(pool, id) }
    },
    release: request =>
      releaseHeld(request, {
        find,
        findSource: registry.source,
        findStream: registry.stream,
        accept,
        note: (id, step) => noteStep(pool, id, step),
        now,
      }),
    async waive(id, by, why) {
      const item = await find(id)
      if (item === undefined || !mayDecide(by, await registry.source(item.sourceId)).decide) return undefined
      return waive(pool, { id, who: by.who, why, nowMs: now() })
    },
  }
}
