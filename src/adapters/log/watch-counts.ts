import { repeat } from '../../runtime/repeat.ts'
import type { Queryable } from '../postgres/sql.ts'
import { type Counted, countOn } from './count-on.ts'
import { type Followed, follow, followedAtFirst, readVerdicts, type Verdicts } from './count-verdicts.ts'
import { readCounted } from './read-counted.ts'
import { inWords } from './recount.ts'
import { againstHead, emptyTally, type Tally } from './tally.ts'

export type CountsWatch = {
  /** Partitions whose counts do not fit at the moment. */
  discrepancies(): number
  /** Items that stand in quarantine. */
  held(): number
  /** What has become of all accepted events, as of the last look. */
  verdicts(): Verdicts
  stop(): Promise<void>
}

export type WatchDeps = {
  readonly pool: Queryable
  readonly everyMs?: number
  /** Told of each once, and again where it has changed. */
  onDiscrepancy(sentence: string): void
  onFailure(error: unknown): void
}

export const watchEveryMsDefault = 10_000
/** A round that took long is followed by a pause so many times as long. */
const PAUSE_FACTOR = 20

/**
 * Counts what is appended, from the last seal mark on, and compares it with what the heads and quarantine say. What
 * lies before that mark, and the lines, are for a recount. The same goes for what becomes of packets: each that is sealed
 * from now on must set out on its way to a certificate, with all its events.
 */
export function watchCounts({
  pool,
  everyMs = watchEveryMsDefault,
  onDiscrepancy,
  onFailure,
}: WatchDeps): CountsWatch {
  const tallies = new Map<number, Tally>()
  const wrongs = new Map<number, string>()
  const astray = new Map<number, string>()
  let followed: Map<number, Followed> | undefined
  let verdicts: Verdicts = { certified: 0, split: 0, inFlight: 0 }
  let held = 0
  let restUntilMs = 0

  const look = async (counted: Counted): Promise<string | undefined> => {
    const { partitionId } = counted
    const known = tallies.get(partitionId) ?? (await tallyAtLastMark(pool, counted))
    const tally = await countOn(pool, counted, known)
    if (typeof tally === 'string') return tally
    const wrong = againstHead(tally, counted)
    if (wrong === undefined) tallies.set(partitionId, tally)
    return wrong
  }
  const note = (known: Map<number, string>, place: Place, wrong: string | undefined) => {
    const { partitionId } = place
    if (wrong !== undefined && known.get(partitionId) !== wrong) onDiscrepancy(inWords(place, wrong))
    if (wrong === undefined) known.delete(partitionId)
    else known.set(partitionId, wrong)
  }
  const followPackets = async () => {
    const rows = await readVerdicts(pool, followed)
    const isFirst = followed === undefined
    const reached = new Map(followed)
    const sum = { certified: 0, split: 0, inFlight: 0 }
    for (const row of rows) {
      const before =
        reached.get(row.partitionId) ?? (isFirst ? followedAtFirst(row) : { packets: 0, events: 0 })
      const now = follow(row, before)
      note(astray, row, typeof now === 'string' ? now : undefined)
      // Where something is missing, it is looked at again from where nothing was.
      reached.set(row.partitionId, typeof now === 'string' ? before : now.followed)
      if (typeof now === 'string') continue
      sum.certified += now.verdicts.certified
      sum.split += now.verdicts.split
      sum.inFlight += now.verdicts.inFlight
    }
    followed = reached
    verdicts = sum
  }
  const round = async () => {
    const startedMs = performance.now()
    if (startedMs < restUntilMs) return
    let heldNow = 0
    for await (const page of readCounted(pool)) {
      for (const counted of page) {
        heldNow += counted.heldRows
        note(wrongs, counted, await look(counted))
      }
    }
    held = heldNow
    await followPackets()
    const endedMs = performance.now()
    restUntilMs = endedMs + PAUSE_FACTOR * (endedMs - startedMs)
  }
  const watching = repeat(round, { everyMs, onFailure })
  return {
    discrepancies: () => new Set([...wrongs.keys(), ...astray.keys()]).size,
    held: () => held,
    verdicts: () => verdicts,
    stop: watching.stop,
  }
}

type Place = Pick<Counted, 'partitionId' | 'streamId' | 'partition'>

/** The last of those that its head counted: more may have come since that was read. */
async function tallyAtLastMark(db: Queryable, { partitionId, nextPacket }: Counted): Promise<Tally> {
  const { rows } = await db.query<Omit<Tally, 'totals'> & Omit<Tally['totals'], 'accepted'>>(
    `select up_to_append as appends, up_to_append as "sealedAppend", packet_no + 1 as packets,
        up_to_seq as "sealedSeq", watermark_ms as "watermarkMs", received, duplicate, rejected, quarantined, waived
      from seal_marks where partition_id = $1 and packet_no < $2 order by packet_no desc limit 1`,
    [partitionId, nextPacket],
  )
  const [mark] = rows
  if (mark === undefined) return emptyTally
  const { received, duplicate, rejected, quarantined, waived, ...tally } = mark
  return {
    ...tally,
    totals: { received, accepted: mark.sealedSeq, duplicate, rejected, quarantined, waived },
  }
}
