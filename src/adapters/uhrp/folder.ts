import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from '../../runtime/error-code.ts'
import { freeBytes } from '../../runtime/free-bytes.ts'
import { syncFolder } from '../../runtime/sync-folder.ts'

/**
 * Where objects are files: `<aa>/<sha256>`, with what is still arriving beside them. A file under its hash is whole,
 * and was on disk before it got that name. Nothing is made before the first object comes.
 */
export type Folder = {
  readonly root: string
  pathOf(sha256: string): string
  /** A file for bytes whose hash nobody knows yet. */
  begin(): Promise<Incoming>
  /** Gives it its name, over whatever had it; resolves once the name is on disk too. */
  settle(incoming: Incoming, sha256: string): Promise<void>
  remove(sha256: string): Promise<void>
  /** Out of the way, and kept for whoever wants to see what happened. */
  quarantine(sha256: string): Promise<void>
  /** Hashes that begin so, and files besides: two hex digits. */
  list(prefix: string): Promise<string[]>
  /** Files that are no objects, oldest of which can go. */
  leftovers(kind: 'incoming' | 'quarantine'): Promise<string[]>
  exists(): Promise<boolean>
  /** Bytes that the disk still takes. */
  free(): Promise<number>
}

export type Incoming = { readonly path: string; readonly file: FileHandle }

export function folderAt(root: string): Folder {
  const pathOf = (sha256: string) => path.join(root, sha256.slice(0, 2), sha256)
  return {
    root,
    pathOf,
    async begin() {
      const at = path.join(root, 'incoming', randomBytes(16).toString('hex'))
      await makeFolder(path.dirname(at))
      return { path: at, file: await open(at, 'wx', OWNER_ONLY) }
    },
    async settle(incoming, sha256) {
      const to = pathOf(sha256)
      await makeFolder(path.dirname(to))
      await rename(incoming.path, to)
      await syncFolder(path.dirname(to))
    },
    remove: sha256 => rm(pathOf(sha256), { force: true }),
    async quarantine(sha256) {
      const to = path.join(root, 'quarantine', `${sha256}.${randomBytes(4).toString('hex')}`)
      await makeFolder(path.dirname(to))
      await rename(pathOf(sha256), to)
    },
    list: prefix => namesIn(path.join(root, prefix)),
    async leftovers(kind) {
      const names = await namesIn(path.join(root, kind))
      return names.map(name => path.join(root, kind, name))
    },
    exists: async () => (await statOf(root)) !== undefined,
    free: () => freeBytes(root),
  }
}

/** What a restricted stream's agents upload is not for whoever else has an account here. */
const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700

async function makeFolder(folder: string): Promise<void> {
  const created = await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
  if (created === undefined) return
  // The name of each new folder is in the one above it.
  for (let at = folder; at !== path.dirname(created); at = path.dirname(at))
    await syncFolder(path.dirname(at))
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Undefined where nothing is there. */
export async function statOf(at: string) {
  try {
    return await stat(at)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
