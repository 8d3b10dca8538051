import type { Pool } from 'pg'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { type Counted, countOn } from './count-on.ts'
import type { Verdicts } from './count-verdicts.ts'
import { readCounted } from './read-counted.ts'
import { recountVerdicts } from './recount-verdicts.ts'
import { type Resealing, resealing } from './reseal-each.ts'
import { openSeenEvents, type SeenEvents } from './seen-events.ts'
import { againstHead, emptyTally } from './tally.ts'

export type Recounted = Verdicts & {
  readonly partitions: number
  readonly appends: number
  readonly events: number
  readonly packets: number
  /** Items that stand in quarantine. */
  readonly held: number
  /** The first thing found that does not fit, in one sentence; undefined where everything adds up. */
  readonly discrepancy: string | undefined
}

/**
 * Counts the whole log from its first append, and what has become of its events, believing nothing that was counted
 * before. `deep` reads the lines as well: each packet is made again and must come out with its id, and what tells
 * repetitions must name events that are in the log, each once. Memory is bounded by one page of appends, or one packet.
 * A log of years takes longer than a statement of a node at work may: the pool is one without bounds on time.
 */
export async function recount(pool: Pool, { deep = false } = {}): Promise<Recounted> {
  // One moment for everything: what is appended meanwhile is in none of the tables that are compared.
  const begin = 'begin isolation level repeatable read'
  return inTransaction(pool, db => recountIn(db, deep), { begin, keep: () => false })
}

async function recountIn(db: Queryable, deep: boolean): Promise<Recounted> {
  const seen = deep ? await openSeenEvents(db) : undefined
  let counts = {
    partitions: 0,
    appends: 0,
    events: 0,
    packets: 0,
    held: 0,
    certified: 0,
    split: 0,
    inFlight: 0,
  }
  for await (const page of readCounted(db, { decided: true })) {
    for (const counted of page) {
      const wrong = await recountPartition(db, counted, seen)
      const verdicts = wrong ?? (await recountVerdicts(db, counted))
      if (typeof verdicts === 'string') return { ...counts, discrepancy: inWords(counted, verdicts) }
      counts = {
        partitions: counts.partitions + 1,
        appends: counts.appends + counted.nextAppend,
        events: counts.events + counted.nextSeq,
        packets: counts.packets + counted.nextPacket,
        held: counts.held + counted.heldRows,
        certified: counts.certified + verdicts.certified,
        split: counts.split + verdicts.split,
        inFlight: counts.inFlight + verdicts.inFlight,
      }
    }
  }
  return { ...counts, discrepancy: (await headless(db)) ?? (await seen?.discrepancy()) }
}

async function recountPartition(
  db: Queryable,
  counted: Counted,
  seen: SeenEvents | undefined,
): Promise<string | undefined> {
  const packets: Resealing | undefined = seen && (await resealing(db, counted, seen))
  const tally = await countOn(db, counted, emptyTally, packets?.atMark)
  if (typeof tally === 'string') return tally
  return againstHead(tally, counted) ?? (await packets?.checkTail(tally))
}

/** "stream "a", partition 3: append 17 …" */
export function inWords({ streamId, partition }: Pick<Counted, 'streamId' | 'partition'>, wrong: string) {
  return `stream "${streamId}", partition ${partition}: ${wrong}`
}

async function headless(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ streamId: string; partition: number }>(
    `select stream_id as "streamId", partition from partitions as opened
      where not exists (select from partition_heads where partition_id = opened.id) order by id limit 1`,
  )
  const [found] = rows
  return found && inWords(found, 'it has no head, so that nothing says where it ends')
}
