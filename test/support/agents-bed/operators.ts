import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { signOperatorWord } from '../../../src/contract/operator.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { type Stage, stages } from '../../../src/core/rounds/template.ts'
import { type Party, party } from '../pipeline.ts'

/** Who answers for agents, by name; the same keys in every run. */
export const operatorNames = ['north', 'east', 'south'] as const
export type OperatorName = (typeof operatorNames)[number]

/** One of an operator's agents: `north/normalize`. */
export type AgentName = `${OperatorName}/${Stage}`

export const agentNames: readonly AgentName[] = operatorNames.flatMap(operator =>
  stages.map((stage): AgentName => `${operator}/${stage}`),
)

export function operatorOf(name: OperatorName): Party {
  return party(`bed operator ${name}`)
}

export function agentOf(name: AgentName): Party {
  return party(`bed agent ${name}`)
}

export function partsOf(name: AgentName): { readonly operator: OperatorName; readonly stage: Stage } {
  const operator = operatorNames.find(each => name.startsWith(`${each}/`))
  const stage = stages.find(each => name.endsWith(`/${each}`))
  if (operator === undefined || stage === undefined) throw new Error(`${name} is no agent of the bed`)
  return { operator, stage }
}

/** As long as anything here runs. */
const WORD_FROM_MS = 0
const WORD_TO_MS = 4_000_000_000_000

export function wordFor(operator: Party, agentKey: string) {
  return {
    operator: operator.identityKey,
    operatorSig: signOperatorWord(operator.privateKey, agentKey, WORD_FROM_MS, WORD_TO_MS),
    operatorFromMs: WORD_FROM_MS,
    operatorToMs: WORD_TO_MS,
  }
}

/** Its key, and its operator's word, as files that an agent's process is given. */
export async function writeAgentFiles(
  folder: string,
  name: AgentName,
): Promise<{ readonly keyFile: string; readonly operatorFile: string }> {
  const { identityKey, privateKey } = agentOf(name)
  const word = wordFor(operatorOf(partsOf(name).operator), identityKey)
  const base = path.join(folder, name.replace('/', '-'))
  const [keyFile, operatorFile] = [`${base}.key.json`, `${base}.operator.json`]
  const key = { identityKey, privateKey: toHex(privateKey), createdMs: WORD_FROM_MS }
  await writeFile(keyFile, JSON.stringify({ v: 1, kind: 'agent', keys: [key] }), { mode: 0o600 })
  const said = {
    operator: word.operator,
    operatorSig: toHex(word.operatorSig),
    fromMs: word.operatorFromMs,
    toMs: word.operatorToMs,
  }
  await writeFile(operatorFile, JSON.stringify(said))
  return { keyFile, operatorFile }
}
