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
  reason: z.string().nullish(),
  from: at,
  to: at,
})

export type Stream = {
  readonly faults: readonly string[]
  /** By `stream/partition stage`, the sequence that comes next. */
  readonly nexts: ReadonlyMap<string, number>
}

/** What one reader was told of all stages up to validated is dense, or says where it is not, and says nothing twice; and gaps are true. */
export function followStream(name: string, told: readonly Told[]): Stream {
  const faults: string[] = []
  const nexts = new Map<string, number>()
  const passed = new Set<string>()
  for (const { told: message } of told) {
    const placed = placedShape.parse(message)
    const { type, streamId, partition, stage, firstSeq, lastSeq, packetNo, reason, from, to } = placed
    if (type === 'filled' && stage === 'certified' && typeof placed.packetId === 'string') {
      const where = `${streamId}/${partition ?? 0}:${packetNo}`
      if (!passed.has(where))
        faults.push(`${name}: ${where} is filled, and no gap has said that it was passed by`)
    }
    if (type === 'gap') {
      if (typeof streamId !== 'string') {
        faults.push(`${name}: a gap that is nowhere: ${reason}`)
        continue
      }
      const track = `${streamId}/${partition ?? 0} ${stage}`
      const next = nexts.get(track) ?? 0
      if (stage === 'received' || !possibleHere.has(reason ?? ''))
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
  }
  return { faults, nexts }
}

/** What can be true of a packet here, where all bytes are kept and each reader is there from the first event on. */
const possibleHere: ReadonlySet<string> = new Set(['split', 'passed-by', 'taken-back'])

function isBySequence(stage: string | null | undefined): boolean {
  return stage === 'received' || stage === 'normalized' || stage === 'validated'
}
