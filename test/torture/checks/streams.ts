import * as z from 'zod'
import type { Told } from '../journals.ts'

const at = z.object({ at: z.number(), line: z.number() }).nullish()
const placedShape = z.looseObject({
  type: z.string(),
  streamId: z.string().nullish(),
  partition: z.number().nullish(),
  stage: z.string().nullish(),
  firstSeq: z.number().nullish(),
  lastSeq: z.number().nullish(),
  packetNo: z.number().nullish(),
  packetId: z.string().nullish(),
  line: z.number().nullish(),
  eventId: z.string().nullish(),
  reason: z.string().nullish(),
  from: at,
  to: at,
})

export type Stream = {
  readonly faults: readonly string[]
  readonly gaps: number
  /** Of each event that it was told of by itself. */
  readonly eventIds: ReadonlySet<string>
  /** Of each packet that was passed by, in a gap, and told of later. */
  readonly filled: ReadonlySet<string>
  /** By `stream/partition stage`, the sequence that comes next. */
  readonly nexts: ReadonlyMap<string, number>
}

/** What one reader was told is dense, or says where it is not, and says nothing twice. */
export function followStream(name: string, told: readonly Told[]): Stream {
  const faults: string[] = []
  const nexts = new Map<string, number>()
  const lines = new Map<string, { packetNo: number; line: number }>()
  const eventIds = new Set<string>()
  const filled = new Set<string>()
  const passed = new Set<string>()
  let gaps = 0
  for (const { told: message } of told) {
    const placed = placedShape.parse(message)
    const { type, streamId, partition, stage, firstSeq, lastSeq, packetNo, line, eventId, reason, from, to } =
      placed
    if (type === 'filled' && stage === 'certified' && typeof placed.packetId === 'string') {
      const where = `${streamId}/${partition ?? 0}:${packetNo}`
      if (!passed.has(where))
        faults.push(`${name}: ${where} is filled, and no gap has said that it was passed by`)
      filled.add(placed.packetId)
    }
    if (type === 'gap') {
      gaps += 1
      if (typeof streamId !== 'string') {
        faults.push(`${name}: a gap that is nowhere: ${reason}`)
        continue
      }
      const track = `${streamId}/${partition ?? 0} ${stage}`
      const next = nexts.get(track) ?? 0
      if (stage === 'received' || !honest.has(reason ?? ''))
        faults.push(`${name}: ${track} has a gap (${reason}), and nothing has gone`)
      if (from !== null && from !== undefined && isBySequence(stage) && from.at !== next)
        faults.push(`${name}: ${track} has a gap (${reason}) from ${from.at}, where ${next} comes next`)
      if (to !== null && to !== undefined && isBySequence(stage)) nexts.set(track, to.at)
      if (from !== null && from !== undefined && stage === 'certified')
        for (let at = from.at; at < (to?.at ?? from.at + 1); at++)
          passed.add(`${streamId}/${partition ?? 0}:${at}`)
      continue
    }
    if (typeof firstSeq === 'number' && typeof lastSeq === 'number' && isBySequence(type)) {
      const track = `${streamId}/${partition ?? 0} ${type}`
      const next = nexts.get(track) ?? 0
      if (firstSeq !== next)
        faults.push(`${name}: ${track} goes on with ${firstSeq}, where ${next} comes next`)
      nexts.set(track, lastSeq + 1)
    }
    if (type !== 'event' || typeof packetNo !== 'number' || typeof line !== 'number') continue
    const track = `${streamId}/${partition ?? 0}`
    const before = lines.get(track)
    const isNext =
      before === undefined
        ? line === 0
        : (packetNo === before.packetNo && line === before.line + 1) ||
          (packetNo > before.packetNo && line === 0)
    if (!isNext)
      faults.push(
        `${name}: ${track} goes on with ${packetNo}:${line} after ${before?.packetNo}:${before?.line}`,
      )
    lines.set(track, { packetNo, line })
    if (typeof eventId !== 'string') continue
    if (eventIds.has(eventId)) faults.push(`${name}: ${eventId} was told twice`)
    eventIds.add(eventId)
  }
  return { faults, gaps, eventIds, filled, nexts }
}

/** What can be true of a packet here, where all bytes are kept and each reader is there from the first event on. */
const honest: ReadonlySet<string> = new Set(['split', 'passed-by', 'taken-back'])

function isBySequence(stage: string | null | undefined): boolean {
  return stage === 'received' || stage === 'normalized' || stage === 'validated'
}
