import type { Pool } from 'pg'
import { firstDifference, type NoDifference } from '../adapters/rounds/first-difference.ts'
import {
  listAgentRecords,
  listConflicts,
  listDeadLetters,
  listEvidence,
  listRounds,
  packetOfLetter,
  showRound,
} from '../adapters/rounds/read-jobs.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { Jobs } from '../http/job-routes.ts'
import type { Reopened } from '../jobs/ports.ts'

export type NodeJobsDeps = {
  readonly pool: Pool
  readonly content: Pick<ContentStore, 'open'>
  reopen(packetId: string, by: string): Promise<Reopened>
  now(): number
}

/** Rounds as they are shown to people, and their dead letters as they are taken up again. */
export function openNodeJobs({ pool, content, reopen, now }: NodeJobsDeps): Jobs {
  return {
    rounds: (page, state) => listRounds(pool, page, state),
    round: roundId => showRound(pool, roundId),
    conflicts: (page, packetId) => listConflicts(pool, page, packetId),
    evidence: (page, agentKey) => listEvidence(pool, page, agentKey),
    deadLetters: (page, state) => listDeadLetters(pool, page, state),
    agents: limit => listAgentRecords(pool, now(), limit),
    async difference(id) {
      const found = await firstDifference(pool, content, id)
      if (found === 'unknown') return undefined
      return typeof found === 'string' ? { why: notShown[found] } : { shown: found }
    },
    async redrive(id, by) {
      const packetId = await packetOfLetter(pool, id)
      return packetId === undefined ? undefined : reopen(packetId, by)
    },
  }
}

const notShown: Readonly<Record<Exclude<NoDifference, 'unknown'>, string>> = {
  'no-two-answers':
    'no two agents have stored answers to this packet that differ: the votes of the conflict say who failed or gave none',
  gone: 'what one of the two agents has stored is not here any more, or not readable now; the leaves of the votes still tell them apart',
}
