import { sha256Hex } from '#sha256'
import { readLine } from '../event/line.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { compileSource, type Normalize } from '../policy/normalize-event.ts'
import { type PolicySet, type SourcePolicy, sourcePolicyOf } from '../policy/policy-set.ts'
import { answeredLines, checkPolicy, inLine, openOutput, type StageOutput } from './stage-output.ts'

/**
 * The normalise stage of one packet; it carries no state. Bytes that are not the packet's, or a policy set that
 * it does not name, are refused as a whole: an answer to them would answer nothing that was asked.
 */
export function normalizePacket(
  header: PacketHeader,
  bytes: Uint8Array,
  policySet: PolicySet,
): Outcome<StageOutput> {
  const named = checkPolicy(header, policySet)
  if (!named.ok) return named
  if (bytes.length !== header.bytes || sha256Hex(bytes) !== header.rawHash)
    return refused('event-unreadable', "the bytes are not the packet's: their SHA-256 is not its rawHash")
  const lines = answeredLines(bytes, header.count, "packet's")
  if (!lines.ok) return lines

  const output = openOutput(header.constants, Math.ceil(bytes.length * 1.25))
  for (const [i, line] of lines.value.entries()) {
    const read = readLine(line, header.constants)
    if (!read.ok) return inLine(i, read)
    const event = read.value
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
