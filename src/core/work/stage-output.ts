import { sha256Hex, writeUtf8 } from '#sha256'
import { knownHex } from '../bytes.ts'
import { canonicalJson, isObject, type JsonObject, parseCanonicalJson } from '../canonical-json.ts'
import { closedObject, closedReader, hex, integer, listOf, oneOf, text } from '../closed-object.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from '../event/envelope.ts'
import { eventLine, type LineConstants } from '../event/line.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { NAME_CHARS_MAX, QUALITY_FLAGS_MAX, readEnvelopeMembers } from '../event/read-envelope.ts'
import { accepted, type Outcome, orThrow, refused } from '../fault.ts'

/**
 * What one stage says about one packet: a pure function of the packet, the policy set and the carried state,
 * so that agents who worked honestly hold equal bytes.
 */
export type StageOutput = {
  /** Canonical lines, each ended by a newline. Line i answers line i of the packet; fused records come after. */
  readonly bytes: Uint8Array
  readonly lines: number
  /** SHA-256 of `bytes`, hex. */
  readonly outputHash: string
  /** What the next packet of the partition starts from; empty where the stage carries nothing. */
  readonly stateBytes: Uint8Array
  /** SHA-256 of `stateBytes`, hex; null where the stage carries nothing. */
  readonly stateOut: string | null
  readonly counts: OutputCounts
}

type OutputCounts = {
  /** Lines that are quarantine entries. */
  readonly quarantined: number
  /** Those of them that are refused for good. */
  readonly rejected: number
  readonly fused: number
  readonly late: number
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

/** Collects lines in one growing buffer: joining thousands of strings first costs twice the memory. */
export function openOutput(bytesExpected = 64 * 1024): OutputWriter {
  let buffer = new Uint8Array(bytesExpected)
  let length = 0
  let lines = 0
  return {
    line(text) {
      // UTF-16 to UTF-8 grows a text at most threefold; one byte more for the newline.
      const room = length + 3 * text.length + 1
      if (room > buffer.length) {
        const larger = new Uint8Array(Math.max(2 * buffer.length, room))
        larger.set(buffer.subarray(0, length))
        buffer = larger
      }
      length += writeUtf8(text, buffer, length)
      buffer[length++] = 0x0a
      lines++
    },
    close(counts, stateBytes) {
      const bytes = buffer.slice(0, length)
      return {
        bytes,
        lines,
        outputHash: sha256Hex(bytes),
        stateBytes: stateBytes ?? new Uint8Array(0),
        stateOut: stateBytes === undefined ? null : sha256Hex(stateBytes),
        counts,
      }
    },
  }
}

export type OutputWriter = {
  /** `text` is one canonical line, without its newline. */
  line(text: string): void
  close(counts: OutputCounts, stateBytes?: Uint8Array): StageOutput
}

/** Longer than a line may be: a mapping may copy parts of a payload (COPIES_MAX) and add to it. */
const OUTPUT_LINE_CHARS_MAX = 16 * 1024 * 1024
/** Issues that a line lists; one more says how many it leaves out. The worst severity has decided by then. */
export const ISSUES_LISTED_MAX = 64
const ISSUE_CHARS_MAX = 2048

/** The line of an event that goes on: its own line, and what was found about it where anything was. */
export function outputLine(event: Envelope, constants: LineConstants, issues: readonly string[]): string {
  if (issues.length === 0) return orThrow(eventLine(event, constants))
  const members = Object.entries(event).filter(([member]) => !Object.hasOwn(constants, member))
  return canonicalJson({ ...Object.fromEntries(members), issues: listed(issues) })
}

/**
 * The line of an event that does not go on. It has no payload: the packet keeps what was sent, and a reader of
 * certified output must never take a refused value for a certified one.
 */
export function quarantineEntry(event: Envelope, issues: readonly string[], rejected: boolean): string {
  const entry: QuarantineEntry = {
    eventId: event.eventId,
    issues: listed(issues),
    qualityFlags: (event.qualityFlags | qualityFlags.QUARANTINED) >>> 0,
    quarantined: true,
    sourceId: event.sourceId,
    ...(rejected && { rejected: true }),
  }
  return canonicalJson(entry)
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

/** What a later stage finds in a line of an earlier one. */
export function readOutputLine(line: string, constants: LineConstants): Outcome<OutputLine> {
  const json = parseCanonicalJson(line, OUTPUT_LINE_CHARS_MAX)
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
const issueList = listOf(text(ISSUE_CHARS_MAX), ISSUES_LISTED_MAX + 1)
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

function listed(issues: readonly string[]): readonly string[] {
  if (issues.length <= ISSUES_LISTED_MAX) return issues
  return [...issues.slice(0, ISSUES_LISTED_MAX), `issues-omitted::${issues.length - ISSUES_LISTED_MAX}`]
}
