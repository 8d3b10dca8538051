import type { Pool } from 'pg'
import {
  listAgentRecords,
  listConflicts,
  listDeadLetters,
  listEvidence,
  listRounds,
  packetOfLetter,
  showRound,
} from '../adapters/rounds/read-jobs.ts'
import type { Jobs } from '../http/job-routes.ts'

export type NodeJobsDeps = {
  readonly pool: Pool
  reopen(packetId: string, by: string): Promise<boolean>
  now(): number
}

/** Rounds as they are shown to people, and their dead letters as they are taken up again. */
export function openNodeJobs({ pool, reopen, now }: NodeJobsDeps): Jobs {
  return {
    rounds: (page, state) => listRounds(pool, page, state),
    round: roundId => showRound(pool, roundId),
    conflicts: (page, packetId) => listConflicts(pool, page, packetId),
    evidence: (page, agentKey) => listEvidence(pool, page, agentKey),
    deadLetters: (page, state) => listDeadLetters(pool, page, state),
    agents: limit => listAgentRecords(pool, now(), limit),
    async redrive(id, by) {
      const packetId = await packetOfLetter(pool, id)
      return packetId === undefined ? undefined : reopen(packetId, by)
    },
  }
}
