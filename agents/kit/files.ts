import { readFile, stat } from 'node:fs/promises'
import * as z from 'zod'
import { publicKeyOf } from '#curve'
import type { OperatorWord } from '../../src/contract/operator.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import type { AgentSettings } from './settings.ts'

/** Who an agent is and who answers for it, from the two files that its settings name. */
export async function readAgentFiles(
  settings: Pick<AgentSettings, 'AGENT_KEY_FILE' | 'AGENT_OPERATOR_FILE'>,
): Promise<{ readonly key: Issuer; readonly operator: OperatorWord }> {
  const { AGENT_KEY_FILE, AGENT_OPERATOR_FILE } = settings
  if (AGENT_KEY_FILE === undefined || AGENT_OPERATOR_FILE === undefined)
    throw new Error(
      'AGENT_KEY_FILE and AGENT_OPERATOR_FILE are not both set; `assay keys create agent` and `assay keys operator-word` make these files',
    )
  return { key: await readKey(AGENT_KEY_FILE), operator: await readWord(AGENT_OPERATOR_FILE) }
}

/** The newest of the keys in the file. */
async function readKey(file: string): Promise<Issuer> {
  const { mode } = await stat(file)
  // Windows has no such bits, and reports them all.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(
      `${file} can be read by other users of this machine. Run chmod 600 on it, and consider its key known.`,
    )
  const read = keyFile.safeParse(jsonIn(await readFile(file, 'utf8')))
  const newest = read.data?.keys.at(-1)
  if (newest === undefined)
    throw new Error(`${file} is not a key file of an agent. \`assay keys create agent\` makes one.`)
  const privateKey = knownHex(newest.privateKey)
  if (toHex(publicKeyOf(privateKey)) !== newest.identityKey)
    throw new Error(
      `${file} names an identity key that is not that of its private key: restore it from a backup`,
    )
  return { privateKey, identityKey: newest.identityKey }
}

async function readWord(file: string): Promise<OperatorWord> {
  const read = operatorFile.safeParse(jsonIn(await readFile(file, 'utf8')))
  if (!read.success)
    throw new Error(
      `${file} is not an operator's word: ${read.error.issues[0]?.message ?? 'unreadable'}. \`assay keys operator-word\` makes one.`,
    )
  const { operator, operatorSig, fromMs, toMs } = read.data
  return { operator, operatorSig: knownHex(operatorSig), operatorFromMs: fromMs, operatorToMs: toMs }
}

/** An operator's word as it stands in a file. */
export function operatorFileOf(word: OperatorWord): string {
  const { operator, operatorSig, operatorFromMs, operatorToMs } = word
  const file = { operator, operatorSig: toHex(operatorSig), fromMs: operatorFromMs, toMs: operatorToMs }
  return JSON.stringify(file, undefined, 2)
}

const identityKey = z.string().regex(/^0[23][0-9a-f]{64}$/, 'its key is not 66 lower-case hex digits')

const operatorFile = z.strictObject({
  operator: identityKey,
  operatorSig: z.string().regex(/^(?:[0-9a-f]{2}){8,72}$/, 'its signature is not lower-case hex'),
  fromMs: z.int().min(0),
  toMs: z.int().min(0),
})

const keyFile = z.object({
  v: z.literal(1),
  kind: z.literal('agent'),
  keys: z.array(z.object({ identityKey, privateKey: z.string().regex(/^[0-9a-f]{64}$/) })).min(1),
})

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The schema says what is wrong with it, and it will not do with undefined.
    return undefined
  }
}
