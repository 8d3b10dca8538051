import { knownHex, u64be } from '../core/bytes.ts'
import { digest } from '../core/digest.ts'
import { signDetached, verifyDetached } from './keys.ts'

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
  const data = statement(agentKey, word.operatorFromMs, word.operatorToMs)
  return verifyDetached(knownHex(word.operator), protocol, agentKey, data, word.operatorSig)
    ? undefined
    : 'its operator has not signed for this agent and these times'
}

function statement(agentKey: string, fromMs: number, toMs: number): Uint8Array {
  return digest('assay:operator:1', knownHex(agentKey), u64be(fromMs), u64be(toMs))
}
