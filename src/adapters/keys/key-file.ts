import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod'
import { leadsTo, readSuccession, signSuccession } from '../../contract/key-succession.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { fromHex, knownHex, toHex } from '../../core/bytes.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { syncFolder } from '../../runtime/sync-folder.ts'
import { issuerOf, newKey } from './new-key.ts'

/** Whose key lives in a file, because its owner has no database. */
export const keyFileKinds = ['agent', 'operator'] as const
export type KeyFileKind = (typeof keyFileKinds)[number]

/** Newest last. The old ones stay: they open what was locked to them. */
export type KeyFile = { readonly kind: KeyFileKind; readonly keys: readonly [FiledKey, ...FiledKey[]] }
type FiledKey = z.output<typeof filedKey>

const filedKey = z.strictObject({
  identityKey: z.string(),
  privateKey: z.string().refine(text => fromHex(text)?.length === 32, 'not 64 lower-case hex digits'),
  createdMs: z.int().min(0),
  /** How the one before it handed over. */
  succession: z.unknown().optional(),
})
const keyFile = z.strictObject({
  v: z.literal(1),
  kind: z.enum(keyFileKinds),
  keys: z.tuple([filedKey], filedKey),
})

/** Never over a file that is there: it may hold the only copy of a key. */
export async function createKeyFile(file: string, kind: KeyFileKind, nowMs: number): Promise<KeyFile> {
  const made: KeyFile = { kind, keys: [filed(newKey(), nowMs)] }
  const handle = await open(file, 'wx', OWNER_ONLY).catch(error => {
    if (errorCode(error) === 'EEXIST')
      throw new Error(`${file} is there already, and a key is never written over. Name another file.`)
    throw error
  })
  await writeDurably(handle, made)
  await syncFolder(path.dirname(file))
  return made
}

export async function rotateKeyFile(file: string, nowMs: number): Promise<KeyFile> {
  // Taken before the file is read: of two that had read the same one, the later would write over the other's heir.
  const unfinished = `${file}.rotating`
  const handle = await open(unfinished, 'wx', OWNER_ONLY).catch(error => {
    if (errorCode(error) === 'EEXIST')
      throw new Error(
        `${unfinished} is there already: another rotation is under way, or was cut short. Remove it if none is, and rotate again.`,
      )
    throw error
  })
  try {
    const rotated = withHeir(await readKeyFile(file), nowMs)
    await writeDurably(handle, rotated)
    await rename(unfinished, file)
    await syncFolder(path.dirname(file))
    return rotated
  } catch (error) {
    await handle.close()
    await rm(unfinished, { force: true })
    throw error
  }
}

function withHeir({ kind, keys }: KeyFile, nowMs: number): KeyFile {
  const heir = newKey()
  const succession = signSuccession(kind, keyInUse({ kind, keys }), heir, nowMs)
  return { kind, keys: [...keys, { ...filed(heir, nowMs), succession }] }
}

export async function readKeyFile(file: string): Promise<KeyFile> {
  await refuseReadable(file)
  const read = keyFile.safeParse(parse(await readFile(file, 'utf8')))
  if (!read.success)
    throw new Error(
      `${file} is not a key file: ${read.error.issues[0]?.message ?? 'unreadable'}. \`assay keys create\` makes one.`,
    )
  const { kind, keys } = read.data
  const [first, ...later] = keys
  if (keys.some(key => issuerOf(knownHex(key.privateKey)).identityKey !== key.identityKey))
    throw new Error(
      `${file} names an identity key that is not that of its private key: restore it from a backup`,
    )
  const steps = later.map(({ succession }) => readSuccession(succession))
  const chain = steps.flatMap(step => (step.ok ? [step.value] : []))
  const last = later.at(-1) ?? first
  if (chain.length !== later.length || !leadsTo(chain, first.identityKey, last.identityKey))
    throw new Error(
      `${file} has a key that the one before it has not handed over to: restore it from a backup`,
    )
  return { kind, keys }
}

export function keyInUse({ keys: [first, ...later] }: KeyFile): Issuer {
  return issuerOf(knownHex((later.at(-1) ?? first).privateKey))
}

async function refuseReadable(file: string): Promise<void> {
  const { mode } = await stat(file)
  // Windows has no such bits, and reports them all.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(
      `${file} can be read by other users of this machine. Run chmod 600 on it, and consider its key known.`,
    )
}

const OWNER_ONLY = 0o600

async function writeDurably(handle: FileHandle, { kind, keys }: KeyFile): Promise<void> {
  try {
    await handle.writeFile(`${JSON.stringify({ v: 1, kind, keys }, undefined, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function filed(key: Issuer, createdMs: number): FiledKey {
  return { identityKey: key.identityKey, privateKey: toHex(key.privateKey), createdMs }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The schema says what is wrong with it, and it will not do with undefined.
    return undefined
  }
}
