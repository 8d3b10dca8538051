import { utf8 } from '../src/core/bytes.ts'
import type { Envelope } from '../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../src/core/event/line.ts'
import { orThrow } from '../src/core/fault.ts'
import { type SealedPacket, sealPacket } from '../src/core/log/packet.ts'
import { rosterDigest } from '../src/core/log/roster.ts'
import { type PolicySet, policyDigest } from '../src/core/policy/policy-set.ts'
import { readPolicySet } from '../src/core/policy/read-policy-set.ts'
import { referencePolicy } from './reference-policy.ts'

/** The policy set of the reference stream: the reference policy for every source. */
export const referencePolicySet: PolicySet = orThrow(
  readPolicySet({ v: 1, sources: { '*': referencePolicy } }),
)

/** One packet of these events, sealed as the log would. */
export function referencePacket(events: readonly Envelope[]): SealedPacket {
  const digest = policyDigest(referencePolicySet)
  const times = events.map(event => event.eventTimeMs)
  const [firstEventTimeMs, lastEventTimeMs] = [Math.min(...times), Math.max(...times)]
  const constants: LineConstants = {
    streamId: 'readings',
    schemaVersion: 1,
    connectorId: 'bench',
    domain: 'iot',
  }
  const segment = {
    partition: 0,
    firstSeq: 0,
    count: events.length,
    policyDigest: digest,
    constants,
    firstEventTimeMs,
    lastEventTimeMs,
    sources: [...new Set(events.map(event => event.sourceId))].map(sourceId => ({
      sourceId,
      authenticated: 'none' as const,
    })),
    lines: utf8(events.map(event => `${orThrow(eventLine(event, constants))}\n`).join('')),
  }
  const record = {
    v: 1,
    log: `02${'00'.repeat(32)}`,
    streamId: 'readings',
    partition: 0,
    level: 'enhanced',
    audience: 'public',
    network: 'local',
    shards: { by: 'event-id', index: 0, count: 1 },
  } as const
  const { length: accepted } = events
  const mark = {
    partition: 0,
    upToSeq: accepted,
    watermarkMs: lastEventTimeMs,
    policyDigest: digest,
    rosterDigest: orThrow(rosterDigest([])),
    totals: { received: accepted, accepted, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
  }
  return orThrow(sealPacket(record, null, [segment], mark))
}
