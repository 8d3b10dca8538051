import { sha256Hex, writeUtf8 } from '#sha256'
import { fromUtf8, knownHex } from '../bytes.ts'
import { canonicalJson, isObject, type JsonObject, parseCanonicalJson } from '../canonical-json.ts'
import { memberWriter } from '../canonical-writer.ts'
import {
  and,
  type Check,
  closedObject,
  closedReader,
  hex,
  integer,
  listOf,
  misfit,
  oneOf,
  text,
} from '../closed-object.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from '../event/envelope.ts'
import type { LineConstants } from '../event/line.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import {
  envelopeMembers,
  NAME_CHARS_MAX,
  QUALITY_FLAGS_MAX,
  readEnvelopeMembers,
} from '../event/read-envelope.ts'
import { accepted, type Fault, type Outcome, refused } from '../fault.ts'
import { type FusedRecord, withoutRoom } from '../fusion/decide.ts'
import { FUSION_WINDOWS_MAX } from '../fusion/read-fusion.ts'
import { type Issue, setsAside, worstOf } from '../issue.ts'
import { PACKET_EVENTS_MAX, type PacketHeader } from '../log/packet-header.ts'
import { type PolicySet, policyDigest } from '../policy/policy-set.ts'

/**
 * What one stage says about one packet: a pure function of the packet, the policy set and the carried state,
 * so that agents who worked honestly hold equal bytes.
 */
export type StageOutput = {
  /** Canonical lines, each ended by a newline. Line i answers line i of the packet; fused records come after. */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`, hex. */
  readonly outputHash: string
  /** What the next packet of the partition starts from; empty where the stage carries nothing. */
  readonly stateBytes: Uint8Array
  /** SHA-256 of `stateBytes`, hex; null where the stage carries nothing. */
  readonly stateOut: string | null
}

/** Of one line: a proof file holds a line of the packet and the one that answers it. */
export const OUTPUT_LINE_BYTES_MAX = 4 * 1024 * 1024
/** Twice a packet, for what policies add. Lines that would lead beyond it are answered in few words. */
export const OUTPUT_FULL_BYTES_MAX = 64 * 1024 * 1024
/** An answer in few words: a few numbers, and a sourceId or key whose every character needs an escape. */
export const BRIEF_LINE_BYTES_MAX = 2048
/** Every event can open a window, and close one that was open before. */
const OUTPUT_LINES_MAX = 2 * PACKET_EVENTS_MAX + FUSION_WINDOWS_MAX

/** No output of a stage is beyond these. */
export const outputBounds = {
  linesMax: OUTPUT_LINES_MAX,
  bytesMax: OUTPUT_FULL_BYTES_MAX + OUTPUT_LINES_MAX * BRIEF_LINE_BYTES_MAX,
}

/** Work under another policy set than the packet's would answer nothing that was asked. */
export function checkPolicy(header: PacketHeader, policySet: PolicySet): Outcome<PolicySet> {
  if (header.policyDigest === policyDigest(policySet)) return accepted(policySet)
  return refused('policy-invalid', 'the packet names another policy set; fetch the one with its policyDigest')
}

/** The lines that a stage answers, one per event of the packet. */
export function answeredLines(bytes: Uint8Array, count: number, what: string): Outcome<readonly string[]> {
  const text = bytes.length > outputBounds.bytesMax ? undefined : fromUtf8(bytes)
  // One piece more than wanted is enough to see that there are too many.
  const lines = text?.split('\n', count + 2)
  if (lines?.pop() === '' && lines.length === count) return accepted(lines)
  return refused(
    'event-unreadable',
    `the ${what} bytes are not ${count} lines of UTF-8, one per event of the packet, each ended by a newline`,
  )
}

/** A fault of one line says which one. */
export function inLine(i: number, { fault }: { readonly fault: Fault }): Outcome<never> {
  return refused(fault.code, `line ${i}: ${fault.detail}`, fault.pointer)
}

/** What an agent votes for, per packet. */
export function outcomeLeaf(packetId: string, outputHash: string, stateOut: string | null): string {
  return digestHex(
    'assay:outcome:1',
    knownHex(packetId),
    knownHex(outputHash),
    stateOut === null ? '' : knownHex(stateOut),
  )
}

export type OutputWriter = {
  /**
   * Answers an event by what was found about it, after `before` in earlier stages; `unchanged` is its line where
   * nothing was. False where the event does not go on, be it for want of room.
   */
  event(event: Envelope, before: readonly string[], found: readonly Issue[], unchanged?: string): boolean
  /** Answers an event that an earlier stage has set aside. */
  entry(entry: QuarantineEntry): void
  fused(record: FusedRecord): void
  close(stateBytes?: Uint8Array): StageOutput
}

export function openOutput(constants: LineConstants, bytesExpected: number): OutputWriter {
  const { write, tryWrite, written } = lineBuffer(bytesExpected)
  const outputLine = eventLines(constants)
  /** Whether it was written as it is. */
  const answer = (line: () => Uint8Array | string, brief: (issue: string) => string): boolean => {
    const tooLarge = tryWrite(line)
    if (tooLarge !== undefined) write(brief(`output-too-large::${tooLarge}`))
    return tooLarge === undefined
  }
  return {
    event(event, before, found, unchanged) {
      const goesOn = !setsAside(found)
      const forGood = worstOf(found) === 'reject'
      const issues = () => listed(before, found)
      const whole = answer(
        () =>
          goesOn
            ? (unchanged ?? outputLine(event, issues()))
            : canonicalJson(quarantineEntry(event, issues(), forGood)),
        issue => canonicalJson(quarantineEntry(event, [issue], forGood)),
      )
      return goesOn && whole
    },
    entry(entry) {
      answer(
        () => canonicalJson(entry),
        issue => canonicalJson({ ...entry, issues: [issue] }),
      )
    },
    fused(record) {
      answer(
        () => canonicalJson(record),
        () => canonicalJson(withoutRoom(record)),
      )
    },
    close(stateBytes = new Uint8Array(0)) {
      const bytes = written()
      return {
        bytes,
        outputHash: sha256Hex(bytes),
        stateBytes,
        stateOut: stateBytes.length === 0 ? null : sha256Hex(stateBytes),
      }
    },
  }
}

/** One growing buffer: joining thousands of strings first costs twice the memory. */
function lineBuffer(bytesExpected: number) {
  let buffer = new Uint8Array(bytesExpected)
  let length = 0
  let full = false
  /** Where the text ends in the buffer, behind all that was written; it only counts once `length` says so. */
  const put = (line: Uint8Array | string): number => {
    // UTF-16 to UTF-8 grows a text at most threefold; one byte more for the newline.
    const room = length + (typeof line === 'string' ? 3 : 1) * line.length + 1
    if (room > buffer.length) {
      const larger = new Uint8Array(Math.max(2 * buffer.length, room))
      larger.set(buffer.subarray(0, length))
      buffer = larger
    }
    let end = length
    if (typeof line === 'string') end += writeUtf8(line, buffer, length)
    else {
      buffer.set(line, length)
      end += line.length
    }
    buffer[end] = 0x0a
    return end + 1
  }
  return {
    write(text: string): void {
      length = put(text)
    },
    /** What it is too large for, and then nothing is written. Once full stays full: nothing more is even tried. */
    tryWrite(line: () => Uint8Array | string): 'line' | 'packet' | undefined {
      if (full) return 'packet'
      const said = line()
      if (said.length > OUTPUT_LINE_BYTES_MAX) return 'line'
      const end = put(said)
      if (end - length - 1 > OUTPUT_LINE_BYTES_MAX) return 'line'
      full = end > OUTPUT_FULL_BYTES_MAX
      if (full) return 'packet'
      length = end
      return undefined
    },
    written: () => buffer.slice(0, length),
  }
}

/** Issues that a line lists; one more says how many it leaves out. The worst severity has decided by then. */
export const ISSUES_LISTED_MAX = 64
const ISSUE_CHARS_MAX = 2048

/** The lines of events that go on: their own lines, and what was found about them where anything was. */
function eventLines(
  constants: LineConstants,
): (event: Envelope, issues: readonly string[]) => Uint8Array | string {
  const members = [...envelopeMembers, 'issues'].filter(member => !Object.hasOwn(constants, member)).sort()
  const write = memberWriter(members)
  return (event, issues) => {
    const said: object = issues.length > 0 ? { ...event, issues } : event
    // What cannot be written says why, when it is asked to say so.
    return (
      write(said) ??
      canonicalJson(Object.fromEntries(members.map(member => [member, Reflect.get(said, member)])))
    )
  }
}

/**
 * The line of an event that does not go on. It has no payload: the packet keeps what was sent, and a reader of
 * certified output must never take a refused value for a certified one.
 */
export function quarantineEntry(
  event: Envelope,
  issues: readonly string[],
  rejected: boolean,
): QuarantineEntry {
  return {
    eventId: event.eventId,
    issues,
    qualityFlags: (event.qualityFlags | qualityFlags.QUARANTINED) >>> 0,
    quarantined: true,
    sourceId: event.sourceId,
    ...(rejected && { rejected: true }),
  }
}

type QuarantineEntry = {
  readonly eventId: string
  readonly issues: readonly string[]
  readonly qualityFlags: number
  readonly quarantined: true
  readonly sourceId: string
  /** Its owner cannot release it. */
  readonly rejected?: true
}

export type OutputLine =
  | { readonly kind: 'event'; readonly event: Envelope; readonly issues: readonly string[] }
  | { readonly kind: 'quarantined'; readonly entry: QuarantineEntry }

/** What a later stage finds in a line of an earlier one; `isCanonical` where the line's bytes have shown it. */
export function readOutputLine(
  line: string,
  constants: LineConstants,
  isCanonical = false,
): Outcome<OutputLine> {
  const json = parseCanonicalJson(line, OUTPUT_LINE_BYTES_MAX, isCanonical)
  if (!json.ok) return json
  const said = json.value
  if (!isObject(said)) return refused('event-unreadable', 'the line is not a JSON object')
  if (Object.hasOwn(said, 'quarantined')) {
    const entry = readQuarantineEntry(said)
    return entry.ok ? accepted({ kind: 'quarantined', entry: entry.value }) : entry
  }

  if (Object.keys(constants).some(member => Object.hasOwn(said, member)))
    return refused('event-unreadable', 'the line repeats a member that its packet header states')
  const issues = said['issues'] === undefined ? noIssues : readIssues(said['issues'])
  if (!issues.ok) return issues
  // Assigned, not spread: V8 makes a slow object of one that is spread after another.
  const event = readEnvelopeMembers(Object.assign(withoutIssues(said), constants))
  return event.ok ? accepted({ kind: 'event', event: event.value, issues: issues.value }) : event
}

function withoutIssues(line: JsonObject): JsonObject {
  if (!Object.hasOwn(line, 'issues')) return line
  const { issues: _, ...members } = line
  return members
}

const noIssues = accepted<readonly string[]>([])
const issueList: Check = and<readonly string[]>(
  listOf(text(ISSUE_CHARS_MAX), ISSUES_LISTED_MAX + 1),
  ({ [ISSUES_LISTED_MAX]: last }) => (last === undefined || omittedBy(last) > 0 ? undefined : tooManyIssues),
)
const tooManyIssues = misfit(`a list of at most ${ISSUES_LISTED_MAX} issues, and how many more there are`)
const readIssues = closedReader<readonly string[]>('issues', 'event-unreadable', issueList)
const readQuarantineEntry = closedReader<QuarantineEntry>(
  'quarantine entry',
  'event-unreadable',
  closedObject<QuarantineEntry>(
    {
      eventId: hex(32),
      issues: issueList,
      qualityFlags: integer(0, QUALITY_FLAGS_MAX),
      quarantined: oneOf([true]),
      sourceId: text(NAME_CHARS_MAX),
    },
    { rejected: oneOf([true]) },
  ),
)

/** What an earlier stage left out stays counted. */
function listed(before: readonly string[], found: readonly Issue[]): readonly string[] {
  const issues = [...before.slice(0, ISSUES_LISTED_MAX), ...found.map(issue => issue.text)]
  const omitted = omittedBy(before[ISSUES_LISTED_MAX]) + Math.max(0, issues.length - ISSUES_LISTED_MAX)
  return omitted === 0 ? issues : [...issues.slice(0, ISSUES_LISTED_MAX), `issues-omitted::${omitted}`]
}

/** 0 where the text says nothing of the kind. */
function omittedBy(issue: string | undefined): number {
  return Number(/^issues-omitted::([1-9][0-9]{0,8})$/.exec(issue ?? '')?.[1] ?? 0)
}
