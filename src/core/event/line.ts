import { hmacSha256 } from '#sha256'
import { knownHex, toHex } from '../bytes.ts'
import { canonicalJson, isObject, type Json, parseCanonicalJson, pointerToken } from '../canonical-json.ts'
import { closedObject, closedReader } from '../closed-object.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import type { Envelope } from './envelope.ts'
import {
  envelopeMembers,
  linePayload,
  PAYLOAD_CHARS_MAX,
  pickChecks,
  readEnvelopeMembers,
} from './read-envelope.ts'

/**
 * A line is what a leaf hashes and what is stored, shipped and signed: the canonical envelope without its place
 * in the log (its position says that) and without the members that the packet header states once for all lines.
 */
const LINE_CHARS_MAX = 2 * 1024 * 1024

/** What every event of a stream can share. Never what tells events apart, nor what a stage changes. */
export const constantMembers = [
  'classification',
  'connectorId',
  'connectorVersion',
  'dataVersion',
  'domain',
  'originSource',
  'partitionKey',
  'payloadType',
  'policyTags',
  'schemaRef',
  'schemaVersion',
  'sourceId',
  'sourceUri',
  'sourceVersion',
  'streamId',
  'tenantId',
  'type',
] as const satisfies readonly (keyof Envelope)[]

export type ConstantMember = (typeof constantMembers)[number]
export type LineConstants = { readonly [M in ConstantMember]?: NonNullable<Envelope[M]> }

/**
 * The line of an event, or a fault where the event says otherwise than the constants do or where `readLine` would
 * refuse the line: one that nobody can read would cost its whole packet. `payloadJcs` is the canonical form of the
 * payload, where it is at hand: ingest has made it for the eventId.
 */
export function eventLine(
  envelope: Envelope,
  constants: LineConstants,
  payloadJcs?: string,
): Outcome<string> {
  const read = readEnvelopeMembers(envelope)
  if (!read.ok) return read
  const payload = linePayload(envelope.payload, payloadJcs)
  if (!payload.ok) return payload

  let line = '{'
  for (const [member, opening] of openings) {
    const value = envelope[member]
    const constant = (constants as Partial<Envelope>)[member]
    if (constant !== undefined) {
      if (!sameJson(value, constant)) return departs(member)
      continue
    }
    if (value === undefined) continue
    if (line.length > 1) line += ','
    line += opening + (member === 'payload' ? payload.value : canonicalJson(value))
  }
  return accepted(`${line}}`)
}

/** The envelope that a line and its packet's constants say together; `isCanonical` where the line's bytes have shown it. */
export function readLine(line: string, constants: LineConstants, isCanonical = false): Outcome<Envelope> {
  const json = parseCanonicalJson(line, LINE_CHARS_MAX, isCanonical)
  if (!json.ok) return json
  if (!isObject(json.value)) return refused('event-unreadable', 'the line is not a JSON object')
  for (const member in constants) {
    if (Object.hasOwn(json.value, member))
      return refused(
        'event-unreadable',
        'the line repeats a member that its packet header states; leave it out of the line',
        pointerToken(member),
      )
  }
  if (line.length > PAYLOAD_CHARS_MAX) {
    const payload = linePayload(json.value['payload'] ?? null)
    if (!payload.ok) return payload
  }
  // The parsed object is ours alone; a spread into a new one would cost more than parsing did.
  return readEnvelopeMembers(Object.assign(json.value, constants))
}

/** Makes a leaf of guessable content unguessable for whoever lacks the key of the restricted stream. */
export function blindOf(streamKey: Uint8Array, eventId: string): string {
  return toHex(hmacSha256(streamKey, knownHex(eventId)))
}

export const lineConstantsCheck = closedObject<LineConstants>({}, pickChecks(constantMembers))
export const readLineConstants = closedReader<LineConstants>(
  'line constants',
  'policy-invalid',
  lineConstantsCheck,
)

/** Each member in canonical order, with what stands before its value. */
const openings = envelopeMembers.map(member => [member, `${JSON.stringify(member)}:`] as const)

function sameJson(value: Json | undefined, constant: Json): boolean {
  if (value === constant) return true
  return (
    typeof constant === 'object' && value !== undefined && canonicalJson(value) === canonicalJson(constant)
  )
}

function departs(member: keyof Envelope): Outcome<never> {
  return refused(
    'event-unreadable',
    `the event's ${member} differs from the one that its stream declares constant; change the event, or the declaration at the next seal mark`,
    pointerToken(member),
  )
}
