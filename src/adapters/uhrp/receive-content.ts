import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { errorCode } from '../../runtime/error-code.ts'
import type { Folder, Incoming } from './folder.ts'

export type Content = AsyncIterable<Uint8Array> | Uint8Array
export type Expected = { readonly sha256?: string; readonly length?: number }

export type Received = {
  readonly incoming: Incoming
  readonly sha256: string
  readonly length: number
}

export type ReceiveBounds = {
  readonly bytesMax: number
  /** What is left free of the disk for everything else that lives there, the database first of all. */
  readonly freeBytesMin: number
}

/**
 * Writes it to a file without a name of its own, and hashes it on the way. Resolves once the bytes are on disk and are
 * the ones expected; else nothing is left of them. Whoever gets the file settles it, or drops it.
 */
export async function receiveContent(
  content: Content,
  { sha256, length }: Expected,
  folder: Folder,
  { bytesMax, freeBytesMin }: ReceiveBounds,
): Promise<Outcome<Received>> {
  const longest = Math.min(length ?? bytesMax, bytesMax)
  if (length !== undefined && length > bytesMax) return tooLong(bytesMax)
  if ((await folder.free()) - (length ?? 0) < freeBytesMin) return storageFull
  let incoming: Incoming | undefined
  try {
    incoming = await folder.begin()
    const written = await write(content, incoming, longest)
    if (written === undefined) {
      await drop(incoming)
      return length === undefined ? tooLong(bytesMax) : otherLength(length, `more than ${length}`)
    }
    const against = againstExpected(written, { sha256, length })
    if (against !== undefined) {
      await drop(incoming)
      return against
    }
    await incoming.file.sync()
    await incoming.file.close()
    return accepted({ incoming, ...written })
  } catch (error) {
    if (incoming !== undefined) await drop(incoming)
    if (isDiskFull(error)) return storageFull
    throw error
  }
}

export async function drop({ path, file }: Incoming): Promise<void> {
  await file.close()
  await rm(path, { force: true })
}

export function isDiskFull(error: unknown): boolean {
  return diskFullCodes.has(errorCode(error))
}

/** No room, no quota, and larger than the file system or the process may have files. */
const diskFullCodes: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Undefined as soon as it is longer than it may be. */
async function write(
  content: Content,
  { file }: Incoming,
  bytesMax: number,
): Promise<{ sha256: string; length: number } | undefined> {
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    length += chunk.length
    if (length > bytesMax) return undefined
    // The disk takes it while this thread hashes.
    const writing = file.appendFile(chunk)
    hash.update(chunk)
    await writing
  }
  return { sha256: hash.digest('hex'), length }
}

function againstExpected(
  written: { sha256: string; length: number },
  expected: { sha256: string | undefined; length: number | undefined },
) {
  if (expected.length !== undefined && written.length !== expected.length)
    return otherLength(expected.length, String(written.length))
  if (expected.sha256 !== undefined && written.sha256 !== expected.sha256)
    return refused(
      'content-invalid',
      `the SHA-256 of what came is ${written.sha256}, and ${expected.sha256} was announced; send those bytes`,
    )
  return undefined
}

function otherLength(announced: number, seen: string) {
  return refused(
    'content-invalid',
    `${announced} bytes were announced, and ${seen} came; send as many as you announce`,
  )
}

function tooLong(bytesMax: number) {
  return refused('content-too-large', `an object may have ${bytesMax} bytes here; send smaller parts`)
}

export const storageFull = refused(
  'storage-full',
  'the disk of this node has no room for it; try another host, or again once its operator has made room',
)
