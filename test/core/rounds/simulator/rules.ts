import { decideRound } from '../../../../src/core/rounds/coordinate.ts'
import { judge } from '../../../../src/core/rounds/judge.ts'
import { chooseOperators, recordConduct } from '../../../../src/core/rounds/operators.ts'
import { planRounds } from '../../../../src/core/rounds/plan.ts'
import { endOfThread, recoverRound, transactionsToResend } from '../../../../src/core/rounds/recover.ts'

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
