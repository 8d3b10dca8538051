import { knownHex, toHex, u64be } from '../core/bytes.ts'
import { digest } from '../core/digest.ts'
import { signDetached, verifyDetached } from './keys.ts'
import { remembering } from './remember.ts'

/** An operator's word that it answers for an agent from one time to another, both included. */
export type OperatorWord = {
  readonly operator: string
  readonly operatorSig: Uint8Array
  readonly operatorFromMs: number
  readonly operatorToMs: number
}

const protocol = 'gitdata agent operator'

export function signOperatorWord(
  operatorPrivateKey: Uint8Array,
  agentKey: string,
  fromMs: number,
  toMs: number,
): Uint8Array {
  return signDetached(operatorPrivateKey, protocol, agentKey, statement(agentKey, fromMs, toMs))
}

/** Undefined, or what keeps the operator's word from covering this agent at this time. */
export function againstOperatorWord(word: OperatorWord, agentKey: string, atMs: number): string | undefined {
  if (atMs < word.operatorFromMs || atMs > word.operatorToMs)
    return 'its operator answers for the agent at other times than these'
  return isGiven(word, agentKey) ? undefined : 'its operator has not signed for this agent and these times'
}

/** One word stands in every job that the agent has for as long as it lasts. */
const isGiven = remembering(
  ({ operator, operatorSig, operatorFromMs, operatorToMs }: OperatorWord, agentKey: string) => {
    const data = statement(agentKey, operatorFromMs, operatorToMs)
    return verifyDetached(knownHex(operator), protocol, agentKey, data, operatorSig) || undefined
  },
  ({ operator, operatorSig, operatorFromMs, operatorToMs }, agentKey) =>
    `${operator} ${agentKey} ${operatorFromMs} ${operatorToMs} ${toHex(operatorSig)}`,
)

function statement(agentKey: string, fromMs: number, toMs: number): Uint8Array {
  return digest('assay:operator:1', knownHex(agentKey), u64be(fromMs), u64be(toMs))
}
