import * as z from 'zod'
import type { Told } from '../journals.ts'
import type { Logged } from './acknowledged.ts'

/** A packet of a stream, which has one partition, and what is certified of it in the end. */
export type Packet = {
  readonly stream: string
  readonly packetNo: number
  readonly packetId: string
  readonly first: number
  readonly end: number
  readonly versionId: string | null
}

export type ToldAsCertified = {
  readonly faults: readonly string[]
  /** Events that it has not been told of, be it by a packet that was passed by, and filled later. */
  readonly missing: number
}

const linesShape = z.object({
  type: z.enum(['certified', 'event']),
  ...{ streamId: z.string(), packetNo: z.number(), packetId: z.string(), versionId: z.string() },
  ...{ line: z.number().optional(), firstLine: z.number().optional(), lastLine: z.number().optional() },
  ...{ eventId: z.string().optional(), eventIds: z.array(z.string()).nullish() },
})
const filledShape = z.object({
  ...{ type: z.literal('filled'), stage: z.literal('certified') },
  ...{ streamId: z.string(), packetNo: z.number(), packetId: z.string(), versionId: z.string() },
})
const place = z.object({ at: z.number(), line: z.number() })
const gapShape = z.object({
  ...{ type: z.literal('gap'), stage: z.literal('certified'), streamId: z.string() },
  ...{ from: place, to: place },
})
type Place = z.output<typeof place>

/**
 * What one reader was told is certified, against what is: each line in its place, with the event that the log has there, under the
 * version of its packet, and none left out that no gap has named.
 */
export function toldAsCertified(
  name: string,
  told: readonly Told[],
  packets: readonly Packet[],
  logged: readonly Logged[],
): ToldAsCertified {
  const faults: string[] = []
  const known = new Map(packets.map(packet => [`${packet.stream} ${packet.packetNo}`, packet]))
  const ids = new Map(logged.map(({ streamId, seq, eventId }) => [`${streamId} ${seq}`, eventId]))
  const nexts = new Map<string, Place>()
  const heardOf = new Set<string>()

  const packetOf = (said: {
    readonly streamId: string
    readonly packetNo: number
    readonly packetId: string
    readonly versionId: string
  }) => {
    const where = `${said.streamId} ${said.packetNo}`
    const packet = known.get(where)
    if (packet?.packetId !== said.packetId || packet.versionId !== said.versionId) {
      faults.push(
        `${name}: ${where} is told of as packet ${said.packetId}, version ${said.versionId}, where there is ${packet?.packetId}, ${packet?.versionId}`,
      )
      return undefined
    }
    return packet
  }
  const hear = (packet: Packet, line: number) => heardOf.add(`${packet.stream} ${packet.first + line}`)

  for (const { told: message } of told) {
    const gap = gapShape.safeParse(message).data
    if (gap !== undefined) {
      nexts.set(gap.streamId, gap.to)
      continue
    }
    const filled = filledShape.safeParse(message).data
    if (filled !== undefined) {
      const packet = packetOf(filled)
      if (packet === undefined) continue
      for (let line = 0; line < packet.end - packet.first; line++) hear(packet, line)
      continue
    }
    if (message.type !== 'certified' && message.type !== 'event') continue
    const said = linesShape.parse(message)
    const packet = packetOf(said)
    if (packet === undefined) continue
    const [from, to] = [said.line ?? said.firstLine ?? 0, said.line ?? said.lastLine ?? 0]
    const next = nexts.get(said.streamId) ?? { at: 0, line: 0 }
    if (next.at !== said.packetNo || next.line !== from)
      faults.push(
        `${name}: ${said.streamId} goes on with ${said.packetNo}:${from}, where ${next.at}:${next.line} comes next`,
      )
    const isLast = packet.first + to + 1 === packet.end
    nexts.set(
      said.streamId,
      isLast ? { at: said.packetNo + 1, line: 0 } : { at: said.packetNo, line: to + 1 },
    )
    const names = said.type === 'event' ? [said.eventId] : said.eventIds
    for (let line = from; line <= to; line++) {
      hear(packet, line)
      const logs = ids.get(`${packet.stream} ${packet.first + line}`)
      const named = names?.[line - from]
      if (names !== null && names !== undefined && named !== logs)
        faults.push(
          `${name}: ${said.streamId} ${said.packetNo}:${line} is told of as ${named}, and the log has ${logs} there`,
        )
    }
  }
  return { faults, missing: logged.filter(({ streamId, seq }) => !heardOf.has(`${streamId} ${seq}`)).length }
}
