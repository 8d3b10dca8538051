import { fromUtf8 } from '../bytes.ts'
import type { Envelope } from '../event/envelope.ts'
import { readLineConstants } from '../event/line.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { decideWindow, fusedLine } from '../fusion/decide.ts'
import {
  adoptPolicy,
  byEndThenKey,
  type ClosedWindow,
  closeByWatermark,
  closeToFit,
  compileObserve,
  type FusionState,
  type Observe,
} from '../fusion/open-windows.ts'
import type { FusionPolicy } from '../fusion/read-fusion.ts'
import { type Issue, setsAside, worstOf } from '../issue.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { type PolicySet, policyDigest } from '../policy/policy-set.ts'
import { readState, STATE_BYTES_DEFAULT, writeState } from '../rules/carried-state.ts'
import { compileRules, type EventCheck } from '../rules/check-event.ts'
import { openOutput, outputLine, quarantineEntry, readOutputLine, type StageOutput } from './stage-output.ts'

/**
 * The validate stage of one packet: `normalized` is what the normalise stage agreed on, `stateIn` what the
 * parent packet left (null for none), `stateGap` whether the parent's packetNo is not one less. Answers line by
 * line, then with one record per window that closes here, in the order of (window end, key).
 */
export function validatePacket(
  header: PacketHeader,
  normalized: Uint8Array,
  policySet: PolicySet,
  stateIn: Uint8Array | null,
  stateGap = false,
): Outcome<StageOutput> {
  if (header.policyDigest !== policyDigest(policySet))
    return refused(
      'policy-invalid',
      'the packet names another policy set; fetch the one with its policyDigest',
    )
  const constants = readLineConstants(header.constants)
  if (!constants.ok) return constants
  const lines = linesOf(header, normalized)
  if (!lines.ok) return lines
  const carried = readState(stateIn)
  if (!carried.ok) return carried
  const state = carried.value

  const { fusion } = policySet
  adoptPolicy(state.fusion, fusion)
  const { checkOf, observe } = compiled(policySet)
  const gap = stateGap ? qualityFlags.STATE_GAP : 0
  const output = openOutput(normalized.length + 4096)
  const closed: ClosedWindow[] = []
  const counts = { quarantined: 0, rejected: 0, fused: 0, late: 0 }
  for (const [i, text] of lines.value.entries()) {
    const line = readOutputLine(text, constants.value)
    if (!line.ok) return refused(line.fault.code, `line ${i}: ${line.fault.detail}`, line.fault.pointer)
    if (line.value.kind === 'quarantined') {
      counts.quarantined++
      if (line.value.entry.rejected) counts.rejected++
      output.line(text)
      continue
    }

    const { event, issues: before } = line.value
    const found = checkOf(event.sourceId)(event, state)
    const aside = setsAside(found)
    if (!aside && observe?.(event, state.fusion, closed) === 'late') {
      counts.late++
      found.push(lateIssue(event))
    }
    const flagged = withFlags(event, gap, found)
    const issues = [...before, ...found.map(issue => issue.text)]
    if (aside) {
      const forGood = worstOf(found) === 'reject'
      counts.quarantined++
      if (forGood) counts.rejected++
      output.line(quarantineEntry(flagged, issues, forGood))
    } else if (flagged === event && found.length === 0) output.line(text)
    else output.line(outputLine(flagged, constants.value, issues))
  }

  const stateBytesMax = policySet.stateBytesMax ?? STATE_BYTES_DEFAULT
  if (fusion !== undefined) {
    const closing = closeWindows(state.fusion, fusion, header.watermarkMs, stateBytesMax)
    for (const window of [...closed, ...closing].sort(byEndThenKey)) {
      output.line(fusedLine(decideWindow(window, fusion), gap))
      counts.fused++
    }
  }
  const { bytes } = writeState(state, stateBytesMax)
  return accepted(bytes.length === 0 ? output.close(counts) : output.close(counts, bytes))
}

/** Windows may fill half of the state, so that they and the rules' memories cannot push each other out. */
function closeWindows(
  state: FusionState,
  policy: FusionPolicy,
  watermarkMs: number,
  stateBytesMax: number,
): readonly ClosedWindow[] {
  return [...closeByWatermark(state, policy, watermarkMs), ...closeToFit(state, stateBytesMax / 2)]
}

function lateIssue(event: Envelope): Issue {
  return {
    text: `fusion-late:eventTimeMs:${event.eventTimeMs}`,
    severity: 'flag',
    flag: qualityFlags.LATE,
  }
}

function withFlags(event: Envelope, gap: number, issues: readonly Issue[]): Envelope {
  let flags = event.qualityFlags | gap
  for (const issue of issues) flags |= issue.flag
  flags >>>= 0
  return flags === event.qualityFlags ? event : { ...event, qualityFlags: flags }
}

type Compiled = { readonly checkOf: (sourceId: string) => EventCheck; readonly observe: Observe | undefined }

/** Policy sets never change, so each is compiled once for as long as anybody holds it. */
const compiledSets = new WeakMap<PolicySet, Compiled>()

function compiled(policySet: PolicySet): Compiled {
  const known = compiledSets.get(policySet)
  if (known !== undefined) return known
  const checks = new Map<string, EventCheck>()
  const checkOf = (sourceId: string) => {
    const entry = Object.hasOwn(policySet.sources, sourceId) ? sourceId : '*'
    const check =
      checks.get(entry) ??
      compileRules([...(policySet.sources[entry]?.rules ?? []), ...(policySet.rules ?? [])])
    checks.set(entry, check)
    return check
  }
  const observe = policySet.fusion && compileObserve(policySet.fusion)
  const made = { checkOf, observe }
  compiledSets.set(policySet, made)
  return made
}

function linesOf(header: PacketHeader, bytes: Uint8Array): Outcome<readonly string[]> {
  const text = fromUtf8(bytes)
  if (text === undefined) return refused('event-unreadable', 'the normalised bytes are not UTF-8')
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.length !== header.count)
    return refused(
      'event-unreadable',
      `the normalised bytes are not ${header.count} lines, one per event of the packet, each ended by a newline`,
    )
  return accepted(lines)
}
