import { canonicalLines } from '../canonical-lines.ts'
import type { Envelope } from '../event/envelope.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { accepted, type Outcome } from '../fault.ts'
import { decideWindow } from '../fusion/decide.ts'
import {
  adoptPolicy,
  type ClosedWindow,
  closeByWatermark,
  closeToFit,
  compileLateness,
  compileObserve,
} from '../fusion/open-windows.ts'
import { type Issue, setsAside } from '../issue.ts'
import type { PacketHeader } from '../log/packet-header.ts'
import { type PolicySet, type SourcePolicy, sourcePolicyOf } from '../policy/policy-set.ts'
import type { Parent } from '../rounds/coordinating/standing.ts'
import { newBudget } from '../rules/budget.ts'
import { readState, STATE_BYTES_DEFAULT, writeState } from '../rules/carried-state.ts'
import { compileRules, type EventCheck } from '../rules/check-event.ts'
import {
  answeredLines,
  checkPolicy,
  inLine,
  openOutput,
  readOutputLine,
  type StageOutput,
} from './stage-output.ts'

/** The certified packet that this one goes on from, and the state that it left; null for none. */
export type Precursor = { readonly parent: Parent | null; readonly state: Uint8Array | null }

/**
 * The validate stage of one packet: `normalized` is what the normalise stage agreed on. Answers line by line, then
 * with one record per window that closes here, in the order of (window end, key).
 */
export function validatePacket(
  header: PacketHeader,
  normalized: Uint8Array,
  policySet: PolicySet,
  { parent, state: stateIn }: Precursor,
): Outcome<StageOutput> {
  const named = checkPolicy(header, policySet)
  if (!named.ok) return named
  const lines = answeredLines(normalized, header.count, 'normalised')
  if (!lines.ok) return lines
  const carried = readState(stateIn)
  if (!carried.ok) return carried
  const state = carried.value

  const { fusion, stateBytesMax = STATE_BYTES_DEFAULT } = policySet
  adoptPolicy(state.fusion, fusion)
  const { checkOf, isLate, observe } = compiled(policySet)
  const gap = (parent?.packetId ?? null) === header.previous ? 0 : qualityFlags.STATE_GAP
  const output = openOutput(header.constants, normalized.length + 4096)
  const budget = newBudget()
  const closed: ClosedWindow[] = []
  const isNextCanonical = canonicalLines(normalized)
  for (const [i, text] of lines.value.entries()) {
    const line = readOutputLine(text, header.constants, isNextCanonical())
    if (!line.ok) return inLine(i, line)
    if (line.value.kind === 'quarantined') {
      output.entry(withFlags(line.value.entry, gap))
      continue
    }
    const { event, issues: before } = line.value
    const goesOn = (found: Issue[]): boolean => {
      if (!setsAside(found) && isLate?.(event, state.fusion)) found.push(lateIssue(event))
      const flagged = withFlags(event, gap, found)
      const unchanged = flagged === event && found.length === 0 ? text : undefined
      const written = output.event(flagged, before, found, unchanged)
      if (written) observe?.(flagged, state.fusion, closed)
      return written
    }
    checkOf(event.sourceId)(event, state, { budget, goesOn })
  }

  if (fusion !== undefined) {
    const onTime = closeByWatermark(state.fusion, fusion, header.watermarkMs)
    // Half of the state is theirs, so that they and the rules' memories cannot push each other out.
    const forRoom = closeToFit(state.fusion, stateBytesMax / 2)
    for (const window of [...closed, ...onTime, ...forRoom])
      output.fused(withFlags(decideWindow(window, fusion), gap))
  }
  return accepted(output.close(writeState(state, stateBytesMax)))
}

function lateIssue(event: Envelope): Issue {
  return {
    text: `fusion-late:eventTimeMs:${event.eventTimeMs}`,
    severity: 'flag',
    flag: qualityFlags.LATE,
  }
}

function withFlags<T extends { readonly qualityFlags: number }>(
  answer: T,
  gap: number,
  issues: readonly Issue[] = [],
): T {
  let flags = answer.qualityFlags | gap
  for (const issue of issues) flags |= issue.flag
  flags >>>= 0
  return flags === answer.qualityFlags ? answer : { ...answer, qualityFlags: flags }
}

type Compiled = {
  readonly checkOf: (sourceId: string) => EventCheck
  readonly isLate: ReturnType<typeof compileLateness> | undefined
  readonly observe: ReturnType<typeof compileObserve> | undefined
}

/** Policy sets never change, so each is compiled once for as long as anybody holds it. */
const compiledSets = new WeakMap<PolicySet, Compiled>()

function compiled(policySet: PolicySet): Compiled {
  const known = compiledSets.get(policySet)
  if (known !== undefined) return known
  const { fusion, rules = [] } = policySet
  const checks = new Map<SourcePolicy, EventCheck>()
  const made: Compiled = {
    checkOf(sourceId) {
      const policy = sourcePolicyOf(policySet, sourceId)
      const check = checks.get(policy) ?? compileRules([...(policy.rules ?? []), ...rules])
      checks.set(policy, check)
      return check
    },
    isLate: fusion && compileLateness(fusion),
    observe: fusion && compileObserve(fusion),
  }
  compiledSets.set(policySet, made)
  return made
}
