import type { Pool } from 'pg'
import { listOwnQuarantine } from '../adapters/publishers/own-quarantine.ts'
import { noteRefusal } from '../adapters/quarantine/note-step.ts'
import { findHeld, listQuarantine, readSteps } from '../adapters/quarantine/read-quarantine.ts'
import { waive } from '../adapters/quarantine/waive.ts'
import type { Registry } from '../adapters/registry/registry.ts'
import type { OwnQuarantine } from '../http/publishers/own-quarantine.ts'
import type { Quarantine } from '../http/quarantine-routes.ts'
import { type Accept, type PushBack, quarantineReasons } from '../ingest/arrived.ts'
import { type Decider, mayDecide } from '../ingest/may-decide.ts'
import { type HeldItem, releaseHeld } from '../ingest/release.ts'

export type NodeQuarantineDeps = {
  readonly pool: Pool
  readonly registry: Pick<Registry, 'source' | 'stream'>
  readonly accept: Accept
  readonly pushBack: PushBack
  /** Whether this node takes anything in at all. */
  readonly enabled: boolean
  now(): number
}

export type NodeQuarantine = Quarantine & {
  /** The same for publishers, each with what is their own. */
  readonly own: OwnQuarantine
}

/** What was set aside, and how it is let in again or given up. */
export function openNodeQuarantine({
  pool,
  registry,
  accept,
  pushBack,
  enabled,
  now,
}: NodeQuarantineDeps): NodeQuarantine {
  const find = (id: number) => findHeld(pool, id)
  const release: Quarantine['release'] = request =>
    releaseHeld(request, {
      find,
      findSource: registry.source,
      findStream: registry.stream,
      accept,
      noteRefusal: (id, refusal) => noteRefusal(pool, id, refusal),
      now,
    })
  const authorityOver = async ({ sourceId, streamId, tenantId, reason }: HeldItem, by: Decider) =>
    mayDecide(by, {
      source: await registry.source(sourceId),
      stream: await registry.stream(streamId),
      tenantId,
      reason,
    })
  return {
    list: (filter, page) => listQuarantine(pool, filter, page),
    async inspect(id) {
      const item = await find(id)
      return item && { item, steps: await readSteps(pool, id) }
    },
    release,
    async waive(id, by, why) {
      const item = await find(id)
      if (item === undefined || !(await authorityOver(item, by)).decide) return undefined
      return (await waive(pool, { id, who: by.who, why, nowMs: now() }))?.item
    },
    own: {
      list: question => listOwnQuarantine(pool, { reasons: quarantineReasons, ...question }),
      async inspect(id, identityKey) {
        const item = await find(id)
        if (item === undefined) return undefined
        const authority = await authorityOver(item, publisher(identityKey))
        return authority.decide ? { item, authority, steps: await readSteps(pool, id) } : undefined
      },
      async release({ identityKey, ...request }) {
        if (!enabled) return { kind: 'closed' }
        const full = pushBack.why()
        if (full !== undefined) {
          pushBack.count(full)
          return { kind: 'turned-away', refusal: full }
        }
        return release({ ...request, by: publisher(identityKey) })
      },
      async waive({ id, identityKey, seen, why }) {
        const item = await find(id)
        if (item === undefined || !(await authorityOver(item, publisher(identityKey))).decide)
          return { kind: 'unknown' }
        const { version, state } = item
        if (version !== seen) return { kind: 'overtaken', version }
        if (state !== 'held') return { kind: 'stays', state }
        const waived = await waive(pool, { id, who: identityKey, byPublisher: true, why, nowMs: now() })
        if (waived === undefined) return { kind: 'unknown' }
        return waived.isNow
          ? { kind: 'waived', item: waived.item }
          : { kind: 'overtaken', version: waived.item.version }
      },
    },
  }
}

function publisher(identityKey: string): Decider {
  return { role: 'publisher', who: identityKey, identityKey }
}
