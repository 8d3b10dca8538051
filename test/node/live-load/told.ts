import * as z from 'zod'

const place = z.object({ at: z.number(), line: z.number() })

/** Of what a client is told, what it is judged by. */
const toldShape = z.object({
  type: z.string(),
  streamId: z.string().nullish(),
  partition: z.number().nullish(),
  stage: z.string().nullish(),
  count: z.number().nullish(),
  firstSeq: z.number().nullish(),
  lastSeq: z.number().nullish(),
  eventIds: z.array(z.string()).nullish(),
  reason: z.string().nullish(),
  from: place.nullish(),
  to: place.nullish(),
})
export type Told = z.output<typeof toldShape>

const idsAt = '"eventIds":['

/** Ids are most of a message, and of no use to whoever looks at nothing but what follows what. */
export function readTold(json: string, withIds: boolean): Told {
  const from = withIds ? -1 : json.indexOf(idsAt)
  if (from < 0) return toldShape.parse(JSON.parse(json))
  const end = json.indexOf(']', from)
  return toldShape.parse(JSON.parse(`${json.slice(0, from + idsAt.length)}${json.slice(end)}`))
}

/** What one client was told, and what is wrong with it. */
export type Account = {
  readonly withIds: boolean
  take(told: Told): void
  readonly faults: readonly string[]
  readonly gaps: () => number
}

/** What follows what, on each track, for a client that asks for everything: without a hole, or with one that is named. */
export function openSequence(): Account & { at(track: string): number } {
  const nexts = new Map<string, number>()
  const faults: string[] = []
  let gaps = 0
  return {
    withIds: false,
    faults,
    gaps: () => gaps,
    at: track => nexts.get(track) ?? 0,
    take({ type, streamId, partition, stage, firstSeq, lastSeq, from, to, reason }) {
      if (typeof streamId !== 'string') {
        if (type === 'gap') faults.push(`a gap that is nowhere: ${reason}`)
        return
      }
      const track = trackOf(streamId, partition ?? 0, type === 'gap' ? (stage ?? '') : type)
      const next = nexts.get(track) ?? 0
      if (type === 'gap') {
        gaps += 1
        if (from !== null && from !== undefined && from.at !== next)
          faults.push(`${track}: a gap (${reason}) from ${from.at}, where ${next} comes next`)
        if (to !== null && to !== undefined) nexts.set(track, to.at)
        return
      }
      if (typeof firstSeq !== 'number' || typeof lastSeq !== 'number') return
      if (firstSeq !== next) faults.push(`${track}: ${firstSeq} to ${lastSeq}, where ${next} comes next`)
      nexts.set(track, lastSeq + 1)
    },
  }
}

export function trackOf(streamId: string, partition: number, stage: string): string {
  return `${streamId}/${partition} ${stage}`
}

/** Which events a client was told of that asks for some of them. */
export function openPicked(): Account & {
  count(): number
  compare(expected: ReadonlySet<string>): string[]
} {
  const ids: string[] = []
  const faults: string[] = []
  let [unnamed, gaps] = [0, 0]
  return {
    withIds: true,
    faults,
    gaps: () => gaps,
    count: () => ids.length + unnamed,
    take({ type, eventIds, count, reason }) {
      if (type === 'gap') {
        gaps += 1
        faults.push(`a gap: ${reason}`)
      }
      // Told of less while it left much unread: how many there were is said all the same.
      if (eventIds === null) unnamed += count ?? 0
      for (const id of eventIds ?? []) ids.push(interned(id))
    },
    compare(expected) {
      const seen = new Set(ids)
      const wrong = [...faults]
      if (seen.size !== ids.length) wrong.push(`${ids.length - seen.size} events were told twice`)
      const others = ids.filter(id => !expected.has(id))
      if (others.length > 0) wrong.push(`${others.length} events that no query finds, as ${others[0]}`)
      if (ids.length + unnamed !== expected.size)
        wrong.push(`${ids.length} events and ${unnamed} without ids, of ${expected.size}`)
      return wrong
    },
  }
}

/** Many clients are told of the same: each id is kept once. */
const interning = new Map<string, string>()
function interned(id: string): string {
  const known = interning.get(id)
  if (known === undefined) interning.set(id, id)
  return known ?? id
}
