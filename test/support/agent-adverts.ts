import { signOperatorWord } from '../../src/contract/operator.ts'
import type { TokenBodies } from '../../src/contract/token-bodies.ts'
import { agentSubject, tokenScript } from '../../src/contract/tokens.ts'
import { type Party, party } from './pipeline.ts'

export const agent = party('agent')
export const operator = party('operator')
export const operatorFromMs = 1_000
export const operatorToMs = 2_000_000_000_000

export type AgentAdvertChange = Partial<TokenBodies['GDA1']> & { agent?: Party; operatorParty?: Party }

/** An agent's advert, with what is said otherwise than usual. */
export function agentAdvertScript(change: AgentAdvertChange = {}): Uint8Array {
  const { agent: by = agent, operatorParty: answers = operator, ...body } = change
  const { identityKey } = by
  return tokenScript('GDA1', by, agentSubject(identityKey), {
    capabilities: ['normalize'],
    operator: answers.identityKey,
    operatorSig: signOperatorWord(answers.privateKey, identityKey, operatorFromMs, operatorToMs),
    operatorFromMs,
    operatorToMs,
    endpoints: ['https://agent.example'],
    packetsMax: 64,
    bytesMax: 1 << 24,
    satoshisPerThousandEvents: 10,
    region: 'eu-west',
    expiresMs: 1_900_000_000_000,
    ...body,
  })
}
