import { bytea } from '../postgres/sql.ts'
import { noteCertifiedTwice } from './certified-twice.ts'
import type { RoundStoreDeps } from './deps.ts'
import { noteDoubleSpends } from './double-spent-seats.ts'

/** What others ask about rounds. */
export type RoundFacts = {
  /** Events in packets that have no certificate yet and still may get one. */
  backlog(): Promise<number>
  /** Packets that no round is made of, as they are of another log than ours: whoever has its key has to go on with them. */
  strangers(): Promise<number>
  /** Whether a packet has its verdict. */
  isSettled(packetId: string): Promise<boolean>
  /** Takes down whose two spends of one seat were seen since it was asked last. */
  noteDoubleSpends(): Promise<void>
  /** Takes down whose second live certificate of one packet was admitted since it was asked last. */
  noteCertifiedTwice(): Promise<void>
}

/** The first look for certificates goes back so far: earlier ones somebody has looked at, or nobody was there to admit. */
const LOOKED_BACK_MS = 60 * 60_000
/** What another process was in the middle of writing at the last look says an earlier time, and is there only now. */
const OVERLAP_MS = 60_000

export function openRoundFacts({ pool, log, now }: Pick<RoundStoreDeps, 'pool' | 'log' | 'now'>): RoundFacts {
  // Double spends are few, and are kept until nothing can come of them: the first look goes back to the first one.
  let spentMs = 0
  let certifiedMs = now() - LOOKED_BACK_MS
  return {
    async backlog() {
      const { rows } = await pool.query<{ events: number }>({
        name: 'rounds-backlog',
        text: `select coalesce(sum(events), 0)::bigint as events
          from packet_standings join partitions as opened on opened.id = partition_id
          where status in ('sealed', 'open', 'unanchored', 'rebuilding') and version_id is null and opened.log = $1`,
        values: [bytea(log)],
      })
      return rows[0]?.events ?? 0
    },
    async strangers() {
      const { rows } = await pool.query<{ packets: number }>({
        name: 'rounds-strangers',
        text: `select count(*) as packets from packet_standings join partitions as opened on opened.id = partition_id
          where status in ('sealed', 'open', 'unanchored', 'rebuilding') and opened.log <> $1`,
        values: [bytea(log)],
      })
      return rows[0]?.packets ?? 0
    },
    async isSettled(packetId) {
      const { rowCount } = await pool.query({
        name: 'rounds-is-settled',
        text: `select from packet_standings where packet_id = $1 and version_id is not null`,
        values: [bytea(packetId)],
      })
      return rowCount === 1
    },
    async noteDoubleSpends() {
      const nowMs = now()
      await noteDoubleSpends(pool, spentMs, nowMs)
      spentMs = nowMs - OVERLAP_MS
    },
    async noteCertifiedTwice() {
      const nowMs = now()
      await noteCertifiedTwice(pool, certifiedMs, nowMs)
      certifiedMs = nowMs - OVERLAP_MS
    },
  }
}
