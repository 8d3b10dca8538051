import type { Pool } from 'pg'
import { repeat } from '../../runtime/repeat.ts'
import { type Counted, countOn } from './count-on.ts'
import { readCounted } from './read-counted.ts'
import { inWords } from './recount.ts'
import { againstHead, emptyTally, type Tally } from './tally.ts'

export type CountsWatch = {
  /** Partitions whose counts do not fit at the moment. */
  discrepancies(): number
  /** Items that stand in quarantine. */
  held(): number
  stop(): Promise<void>
}

export type WatchDeps = {
  readonly pool: Pool
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
 * lies before that mark, and the lines, are for a recount.
 */
export function watchCounts({
  pool,
  everyMs = watchEveryMsDefault,
  onDiscrepancy,
  onFailure,
}: WatchDeps): CountsWatch {
  const tallies = new Map<number, Tally>()
  const wrongs = new Map<number, string>()
  let held = 0
  let restUntilMs = 0

  const look = async (counted: Counted): Promise<string | undefined> => {
    const { partitionId } = counted
    const known = tallies.get(partitionId) ?? (await tallyAtLastMark(pool, partitionId))
    const tally = await countOn(pool, counted, known)
    if (typeof tally === 'string') return tally
    const wrong = againstHead(tally, counted)
    if (wrong === undefined) tallies.set(partitionId, tally)
    return wrong
  }
  const round = async () => {
    const startedMs = performance.now()
    if (startedMs < restUntilMs) return
    let heldNow = 0
    for await (const page of readCounted(pool)) {
      for (const counted of page) {
        heldNow += counted.heldRows
        const wrong = await look(counted)
        if (wrong === undefined) wrongs.delete(counted.partitionId)
        else {
          if (wrongs.get(counted.partitionId) !== wrong) onDiscrepancy(inWords(counted, wrong))
          wrongs.set(counted.partitionId, wrong)
        }
      }
    }
    held = heldNow
    const endedMs = performance.now()
    restUntilMs = endedMs + PAUSE_FACTOR * (endedMs - startedMs)
  }
  const watching = repeat(round, { everyMs, onFailure })
  return { discrepancies: () => wrongs.size, held: () => held, stop: watching.stop }
}

async function tallyAtLastMark(pool: Pool, partitionId: number): Promise<Tally> {
  const { rows } = await pool.query<Omit<Tally, 'totals'> & Omit<Tally['totals'], 'accepted'>>(
    `select up_to_append as appends, up_to_append as "sealedAppend", packet_no + 1 as packets,
        up_to_seq as "sealedSeq", watermark_ms as "watermarkMs", received, duplicate, rejected, quarantined, waived
      from seal_marks where partition_id = $1 order by packet_no desc limit 1`,
    [partitionId],
  )
  const [mark] = rows
  if (mark === undefined) return emptyTally
  const { received, duplicate, rejected, quarantined, waived, ...tally } = mark
  return {
    ...tally,
    totals: { received, accepted: mark.sealedSeq, duplicate, rejected, quarantined, waived },
  }
}
