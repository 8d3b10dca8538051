import { accepted, type Outcome } from '../fault.ts'
import { openPacket } from '../log/packet.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { compileSource, type Normalize } from '../policy/normalize-event.ts'
import { type PolicySet, type SourcePolicy, sourcePolicyOf } from '../policy/policy-set.ts'
import { checkPolicy, openOutput, type StageOutput } from './stage-output.ts'

/**
 * The normalise stage of one packet; it carries no state. A packet whose header says otherwise than its bytes,
 * and a policy set that it does not name, are refused as a whole: an answer would answer nothing that was asked.
 */
export function normalizePacket(
  header: PacketHeader,
  bytes: Uint8Array,
  policySet: PolicySet,
): Outcome<StageOutput> {
  const named = checkPolicy(header, policySet)
  if (!named.ok) return named
  const events = openPacket(header, bytes)
  if (!events.ok) return events

  const output = openOutput(header.constants, Math.ceil(bytes.length * 1.25))
  for (const event of events.value) {
    const { payload, issues, flags } = normalizerOf(policySet, event.sourceId)(event)
    output.event({ ...event, payload, qualityFlags: (event.qualityFlags | flags) >>> 0 }, [], issues)
  }
  return accepted(output.close())
}

/** Policies never change, so each is compiled once for as long as anybody holds it. */
const normalizers = new WeakMap<SourcePolicy, Normalize>()

function normalizerOf(policySet: PolicySet, sourceId: string): Normalize {
  const policy = sourcePolicyOf(policySet, sourceId)
  let normalize = normalizers.get(policy)
  if (normalize === undefined) {
    normalize = compileSource(policy)
    normalizers.set(policy, normalize)
  }
  return normalize
}
