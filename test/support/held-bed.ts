import { openEventLog } from '../../src/adapters/log/event-log.ts'
import { beginAs } from '../../src/adapters/log/log-role.ts'
import type { Registry } from '../../src/adapters/registry/registry.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { openAccept } from '../../src/ingest/accept.ts'
import type { Accept, Arrived, Full, ItemAnswer, PushBack } from '../../src/ingest/arrived.ts'
import { type NodeQuarantine, openNodeQuarantine } from '../../src/node/node-quarantine.ts'
import { type RegistryBed, registryBed } from '../adapters/registry/registry-bed.ts'
import { arrivedWith, LOG_KEY } from './log-bed.ts'

/** A registry and a log in one database, and what a node does with what is held of them. */
export type HeldBed = RegistryBed & {
  readonly registry: Registry
  readonly quarantine: NodeQuarantine
  readonly accept: Accept
  /** Sends items as one request of a source, as it is registered by now. */
  send(sourceId: string, items: readonly Json[], how?: Partial<Arrived>): Promise<readonly ItemAnswer[]>
  /** Sends one that is held, and says under which id. */
  hold(sourceId: string, item?: Json, how?: Partial<Arrived>): Promise<number>
  /** From then on the log lets nothing in. */
  fill(isFull: boolean): void
  /** `counted`: why somebody was refused before the log was asked, each time. */
  readonly pressure: { refusal?: Full; readonly counted: Full[] }
}

export async function openHeldBed(): Promise<HeldBed> {
  const bed = await registryBed()
  const { pool } = bed.database
  const now = () => bed.clock.nowMs
  const log = openEventLog({
    ...{ pool, logKey: LOG_KEY, network: 'local', now, limits: {} },
    begin: beginAs('assay_log'),
  })
  const registry = bed.open()
  let isFull = false
  const pressure: HeldBed['pressure'] = { counted: [] }
  const pushBack: PushBack = { why: () => pressure.refusal, count: full => void pressure.counted.push(full) }
  const taken = openAccept({
    findStream: registry.stream,
    forgetStreams: registry.forget,
    append: log.append,
    randomKey: () => crypto.getRandomValues(new Uint8Array(16)),
  })
  const accept: Accept = async arrived =>
    isFull ? { kind: 'refused', refusal: { why: 'backlog', retryAfterS: 7 } } : taken(arrived)
  const send: HeldBed['send'] = async (sourceId, items, how = {}) => {
    registry.forget()
    const source = await registry.source(sourceId)
    if (source === undefined) throw new Error(`there is no source ${sourceId}`)
    const outcome = await taken(arrivedWith(items, { source, receivedMs: now(), ...how }))
    if (outcome.kind !== 'answered') throw new Error(`refused: ${JSON.stringify(outcome.refusal)}`)
    return outcome.items
  }
  let sent = 0
  return {
    ...bed,
    ...{ registry, accept, send, pressure },
    quarantine: openNodeQuarantine({ pool, registry, accept, now, pushBack, enabled: true }),
    async hold(sourceId, item = tagged(++sent), how) {
      const [answer] = await send(sourceId, [item], how)
      if (answer?.status !== 'quarantined') throw new Error(`not held: ${JSON.stringify(answer)}`)
      return Number(answer.quarantineId)
    },
    fill(full) {
      isFull = full
    },
    async end() {
      await log.stop()
      await bed.end()
    },
  }
}

/** With a tag that no public stream takes. */
export function tagged(n: number, more: { readonly [name: string]: Json } = {}): Json {
  return { eventType: 'reading', externalId: `tagged-${n}`, data: { value: n }, policyTags: ['PII'], ...more }
}
