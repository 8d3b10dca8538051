import { bytea } from '../postgres/sql.ts'
import type { RoundStoreDeps } from './deps.ts'
import { noteEquivocations } from './equivocations.ts'

/** What others ask about rounds. */
export type RoundFacts = {
  /** Events in packets that have no certificate yet and still may get one. */
  backlog(): Promise<number>
  /** Whether a packet has its verdict. */
  isSettled(packetId: string): Promise<boolean>
  /** Takes down who has signed two things of which only one can stand, since it was asked last. */
  noteEquivocations(): Promise<void>
}

export function openRoundFacts({ pool, now }: Pick<RoundStoreDeps, 'pool' | 'now'>): RoundFacts {
  let notedMs = 0
  return {
    async backlog() {
      const { rows } = await pool.query<{ events: number }>({
        name: 'rounds-backlog',
        text: `select coalesce(sum(events), 0)::bigint as events from packet_standings
          where status in ('sealed', 'open', 'unanchored', 'rebuilding') and version_id is null`,
      })
      return rows[0]?.events ?? 0
    },
    async isSettled(packetId) {
      const { rowCount } = await pool.query({
        name: 'rounds-is-settled',
        text: `select from packet_standings where packet_id = $1 and version_id is not null`,
        values: [bytea(packetId)],
      })
      return rowCount === 1
    },
    async noteEquivocations() {
      notedMs = await noteEquivocations(pool, notedMs, now())
    },
  }
}
