import { sha256Hex } from '#sha256'
import { fromUtf8 } from '../bytes.ts'
import type { Envelope } from '../event/envelope.ts'
import { readLine } from '../event/line.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { setsAside, worstOf } from '../issue.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { compileSource, type Normalize } from '../policy/normalize-event.ts'
import { type PolicySet, policyDigest, type SourcePolicy, sourcePolicyOf } from '../policy/policy-set.ts'
import { openOutput, outputLine, quarantineEntry, type StageOutput } from './stage-output.ts'

/**
 * The normalise stage of one packet; it carries no state. Bytes that are not the packet's, or a policy set that
 * it does not name, are refused as a whole: an answer to them would answer nothing that was asked.
 */
export function normalizePacket(
  header: PacketHeader,
  bytes: Uint8Array,
  policySet: PolicySet,
): Outcome<StageOutput> {
  if (header.policyDigest !== policyDigest(policySet))
    return refused(
      'policy-invalid',
      'the packet names another policy set; fetch the one with its policyDigest',
    )
  const lines = linesOf(header, bytes)
  if (!lines.ok) return lines

  const output = openOutput(Math.ceil(bytes.length * 1.25))
  const counts = { quarantined: 0, rejected: 0, fused: 0, late: 0 }
  for (const [i, line] of lines.value.entries()) {
    const event = readLine(line, header.constants)
    if (!event.ok) return refused(event.fault.code, `line ${i}: ${event.fault.detail}`, event.fault.pointer)
    const { payload, issues, flags } = normalizerOf(policySet, event.value.sourceId)(event.value)
    const qualityFlags = (event.value.qualityFlags | flags) >>> 0
    const normalized: Envelope = { ...event.value, payload, qualityFlags }
    const texts = issues.map(issue => issue.text)
    if (setsAside(issues)) {
      const forGood = worstOf(issues) === 'reject'
      counts.quarantined++
      if (forGood) counts.rejected++
      output.line(quarantineEntry(normalized, texts, forGood))
    } else output.line(outputLine(normalized, header.constants, texts))
  }
  return accepted(output.close(counts))
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

function linesOf(header: PacketHeader, bytes: Uint8Array): Outcome<readonly string[]> {
  if (bytes.length !== header.bytes || sha256Hex(bytes) !== header.rawHash)
    return refused('event-unreadable', "the bytes are not the packet's: their SHA-256 is not its rawHash")
  const text = fromUtf8(bytes)
  if (text === undefined) return refused('event-unreadable', "the packet's bytes are not UTF-8")
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.length !== header.count)
    return refused(
      'event-unreadable',
      `the packet's bytes are not ${header.count} lines, each ended by a newline`,
    )
  return accepted(lines)
}
