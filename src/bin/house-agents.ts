import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod'
import { operatorFileOf } from '../../agents/kit/files.ts'
import { createKeyFile, type KeyFileKind, keyInUse, readKeyFile } from '../adapters/keys/key-file.ts'
import type { Issuer } from '../contract/tokens.ts'
import { type Stage, stages } from '../core/rounds/template.ts'
import { errorCode } from '../runtime/error-code.ts'
import { operatorWordFor } from './operator-word.ts'

/** One of the agents that come with a node. */
export type HouseAgent = {
  readonly name: string
  readonly kind: Stage
  readonly keyFile: string
  readonly operatorFile: string
  /** Identity key. */
  readonly operator: string
}

const operatorNames = ['north', 'east', 'south'] as const
const WORD_DAYS = 365
const WORD_DAYS_LEFT_MIN = 30
const DAY_MS = 86_400_000

/** Three operators with an agent of each kind; their keys are made once and kept in the folder. */
export async function houseAgents(folder: string, nowMs: number): Promise<HouseAgent[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const agents: HouseAgent[] = []
  for (const operatorName of operatorNames) {
    const operator = await keyIn(path.join(folder, `${operatorName}.key.json`), 'operator', nowMs)
    for (const kind of stages) {
      const name = `${operatorName}-${kind}`
      const keyFile = path.join(folder, `${name}.key.json`)
      const operatorFile = path.join(folder, `${name}.operator.json`)
      const { identityKey } = await keyIn(keyFile, 'agent', nowMs)
      if (!(await holdsStill(operatorFile, nowMs)))
        await writeWhole(
          operatorFile,
          operatorFileOf(operatorWordFor(operator, identityKey, nowMs, WORD_DAYS)),
        )
      agents.push({ name, kind, keyFile, operatorFile, operator: operator.identityKey })
    }
  }
  return agents
}

async function keyIn(file: string, kind: KeyFileKind, nowMs: number): Promise<Issuer> {
  try {
    return keyInUse(await readKeyFile(file))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return keyInUse(await createKeyFile(file, kind, nowMs))
  }
}

async function holdsStill(file: string, nowMs: number): Promise<boolean> {
  try {
    const { toMs } = z.object({ toMs: z.number() }).parse(JSON.parse(await readFile(file, 'utf8')))
    return toMs - nowMs > WORD_DAYS_LEFT_MIN * DAY_MS
  } catch {
    // Not there, or cut short: the operator's key is here, and says it again.
    return false
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
