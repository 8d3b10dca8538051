import { decideRound } from '../../../../src/core/rounds/coordinating/decide.ts'
import { chooseOperators, recordConduct } from '../../../../src/core/rounds/coordinating/operators.ts'
import { planRounds } from '../../../../src/core/rounds/coordinating/plan.ts'
import {
  endOfThread,
  recoverRound,
  transactionsToResend,
} from '../../../../src/core/rounds/coordinating/recover.ts'
import { judge } from '../../../../src/core/rounds/judging/judge.ts'

/** Every decision of a simulated run is one of these; a planted fault replaces some of them. */
export const rules = {
  judge,
  planRounds,
  decideRound,
  endOfThread,
  recoverRound,
  transactionsToResend,
  chooseOperators,
  recordConduct,
}

export type Rules = typeof rules
