import { accepted, type Outcome } from '../fault.ts'
import { type Assigned, composeEnvelope } from './compose-envelope.ts'
import type { Envelope } from './envelope.ts'
import type { IdentifiedEvent } from './identity.ts'
import { blindOf, eventLine, type LineConstants } from './line.ts'
import { envelopeChecks } from './read-envelope.ts'
import type { StatedIdentity } from './read-identity.ts'
import type { Submission } from './submission.ts'

/** What one event's line is made from, besides what all events of its source and stream share. */
export type LineOf = {
  readonly ingestTimeMs: number
  readonly submission: Submission
  readonly stated: StatedIdentity
  readonly identified: IdentifiedEvent
  readonly partitionKey: string
  /** Canonical, and checked to fit into a line. */
  readonly payloadJcs: string
}

export type WriteLine = (event: LineOf) => Outcome<string>

/** What does not change from one event to the next. */
export type SharedByLines = Omit<Assigned, 'partitionKey' | 'ingestTimeMs'>

/**
 * Writes the lines of events, byte for byte those of `eventLine`. Most of a line is the same in all of them and is
 * written once; what brings members of its own along goes the long way.
 */
export function lineWriter(shared: SharedByLines, constants: LineConstants): WriteLine {
  const written: WriteLine = ({ submission, stated, identified, partitionKey, ingestTimeMs, payloadJcs }) =>
    eventLine(
      composeEnvelope(submission, { ...shared, ingestTimeMs, partitionKey }, stated, identified),
      constants,
      payloadJcs,
    )
  let pieces: Pieces | undefined
  return event => {
    if (!isPlain(event, constants)) return written(event)
    // The first one shows that what they share can stand in a line at all.
    if (pieces === undefined) {
      const line = written(event)
      if (line.ok) pieces = piecesOf(shared, constants)
      return line
    }
    return accepted(plainLine(event, shared, pieces))
  }
}

function isPlain({ submission, partitionKey }: LineOf, constants: LineConstants): boolean {
  const { carried, cloudEvent, type } = submission
  if (cloudEvent !== undefined || constants.partitionKey !== undefined) return false
  for (const _ in carried) return false
  if (envelopeChecks.partitionKey(partitionKey) !== undefined) return false
  return type === undefined || (constants.type === undefined && envelopeChecks.type(type) === undefined)
}

/** What stands between the members that differ, in the order of the canonical form. */
type Pieces = {
  readonly beforeEventId: string
  readonly beforeFlags: string
  readonly afterRevises: string
  readonly afterSequence: string
  readonly type: string
}

function piecesOf(shared: SharedByLines, constants: LineConstants): Pieces {
  const members = (...names: readonly (keyof Envelope)[]) =>
    names
      .map(name => {
        const value = (name === 'schemaVersion' ? 1 : (shared as Partial<Envelope>)[name]) ?? null
        const isConstant = (constants as Partial<Envelope>)[name] !== undefined
        return value === null || isConstant ? '' : `"${name}":${JSON.stringify(value)},`
      })
      .join('')
  return {
    beforeEventId: members('connectorId', 'connectorVersion', 'dataVersion', 'domain'),
    beforeFlags: members('payloadType'),
    afterRevises: members('schemaVersion', 'sourceId'),
    afterSequence: members('sourceVersion', 'streamId'),
    type: members('type'),
  }
}

function plainLine(
  { submission, stated, identified, partitionKey, ingestTimeMs, payloadJcs }: LineOf,
  { streamKey }: SharedByLines,
  pieces: Pieces,
): string {
  const { eventId, eventTimeMs, flags, revises } = identified
  const { nativeId, sourceSeq, eventTime } = stated
  const { type } = submission
  const line =
    (streamKey === undefined ? '{' : `{"blind":"${blindOf(streamKey, eventId)}",`) +
    `${pieces.beforeEventId}"eventId":"${eventId}","eventTimeMs":${eventTimeMs},` +
    (eventTime?.text === undefined ? '' : `"eventTimeText":${JSON.stringify(eventTime.text)},`) +
    `"ingestTimeMs":${ingestTimeMs},` +
    (nativeId === undefined ? '' : `"nativeId":${JSON.stringify(nativeId)},`) +
    `"partitionKey":${JSON.stringify(partitionKey)},"payload":${payloadJcs},${pieces.beforeFlags}"qualityFlags":${flags},` +
    (revises === undefined ? '' : `"revises":"${revises}",`) +
    pieces.afterRevises +
    (sourceSeq === undefined ? '' : `"sourceSeq":"${sourceSeq}",`) +
    pieces.afterSequence +
    (type === undefined ? pieces.type : `"type":${JSON.stringify(type)},`)
  return `${line.slice(0, -1)}}`
}
