import { decideRound } from '../../../../src/core/rounds/coordinating/decide.ts'
import { chooseOperators, recordJob } from '../../../../src/core/rounds/coordinating/operators.ts'
import { planRounds } from '../../../../src/core/rounds/coordinating/plan.ts'
import { recoverRound, transactionsToResend } from '../../../../src/core/rounds/coordinating/recover.ts'
import { endOfThread, liveResults } from '../../../../src/core/rounds/coordinating/thread.ts'
import { judge } from '../../../../src/core/rounds/judging/judge.ts'

/** Every decision of a simulated run is one of these; a planted fault replaces some of them. */
export const rules = {
  judge,
  planRounds,
  decideRound,
  liveResults,
  endOfThread,
  recoverRound,
  transactionsToResend,
  chooseOperators,
  recordJob,
}

export type Rules = typeof rules
