import { type OperatorWord, signOperatorWord } from '../contract/operator.ts'
import type { Issuer } from '../contract/tokens.ts'

const DAY_MS = 86_400_000

/** From a day ago, as clocks differ, for so many days. */
export function operatorWordFor(
  operator: Issuer,
  agentKey: string,
  nowMs: number,
  days: number,
): OperatorWord {
  const [operatorFromMs, operatorToMs] = [nowMs - DAY_MS, nowMs + days * DAY_MS]
  const operatorSig = signOperatorWord(operator.privateKey, agentKey, operatorFromMs, operatorToMs)
  return { operator: operator.identityKey, operatorSig, operatorFromMs, operatorToMs }
}
