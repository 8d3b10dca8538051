import type { PacketContents } from '../../contract/packet-contents.ts'
import { canonicalJson, type Json, parseJson } from '../../core/canonical-json.ts'
import type { LineMessage } from './messages.ts'

/**
 * What a message says otherwise than the packet that it names, as the proof has it; undefined where they agree. What a node
 * adds of its own (`certification`, `overlayMetadata`, `processingEvidence`) stands in no line, and is named as not checked.
 */
export function contradiction(message: LineMessage, contents: PacketContents): string | undefined {
  const { header, verdict, events, output } = contents
  const wrong = firstDifference(
    {
      packetId: [message.packetId, verdict.packet.packetId],
      packetNo: [message.packetNo, header.packetNo],
      streamId: [message.streamId, header.streamId],
      partition: [message.partition, header.partition],
      versionId: [message.versionId, verdict.versionId],
    },
    message,
  )
  if (wrong !== undefined) return wrong
  if (message.line >= output.length) return `packet ${header.packetNo} has no line ${message.line}`
  if ('certificationLevel' in message && message.certificationLevel !== header.level)
    return `the stream says ${message.certificationLevel} where the proof says ${header.level}`
  return message.line < events.length ? inAnswer(message, contents) : inFused(message, contents)
}

function inAnswer(message: LineMessage, { answerTo }: PacketContents): string | undefined {
  const answer = answerTo(message.line)
  if (!answer.ok) return answer.fault.detail
  const { value: line } = answer
  if (message.type === 'fused') return `line ${message.line} answers an event, and was told as a fused record`
  if (line.kind === 'quarantined' || message.type === 'quarantined') {
    if (line.kind !== 'quarantined' || message.type !== 'quarantined')
      return `line ${message.line} is ${line.kind === 'event' ? 'an event' : 'set aside'}, and was told as the other`
    const { eventId, sourceId, issues } = line.entry
    return firstDifference(
      {
        eventId: [message.eventId, eventId],
        sourceId: [message.sourceId, sourceId],
        issues: [message.issues, issues],
      },
      message,
    )
  }
  const { event, issues } = line
  return firstDifference(
    {
      eventId: [message.eventId, event.eventId],
      sourceId: [message.sourceId, event.sourceId],
      eventType: [message.eventType, event.type],
      timestamp: [message.timestamp, new Date(event.eventTimeMs).toISOString()],
      issues: [message.issues, issues],
      data: [message.data, event.payload],
    },
    message,
  )
}

function inFused(message: LineMessage, { output }: PacketContents): string | undefined {
  if (message.type !== 'fused') return `line ${message.line} is a fused record, and was told as an event`
  const record = parseJson(output[message.line] ?? '')
  return record.ok ? firstDifference({ data: [message.data, record.value] }, message) : record.fault.detail
}

type Told = Readonly<Record<string, readonly [told: Json, proven: Json]>>

function firstDifference(members: Told, { packetNo, line }: LineMessage): string | undefined {
  for (const [name, [told, proven]] of Object.entries(members))
    if (canonicalJson(told) !== canonicalJson(proven))
      return `the stream and the proof differ in ${name}, at line ${line} of packet ${packetNo}`
  return undefined
}
