import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { errorCode } from '../../runtime/error-code.ts'

/** A built portal: its files by their path below its folder, in memory, as they are few and small. */
export type Portal = ReadonlyMap<string, PortalFile>

export type PortalFile = {
  readonly body: Buffer
  /** Smaller; undefined where compressing gains nothing. */
  readonly gzipped: Buffer | undefined
  readonly type: string
  readonly etag: string
  /** Its name holds a hash of its content, so what the name stands for never changes. */
  readonly isNamedByContent: boolean
}

/** What a portal is made of; a file of another kind is not served. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const compress = promisify(gzip)

/** Undefined where there is no such folder: a clone that was not built. */
export async function readPortal(folder: string): Promise<Portal | undefined> {
  const names = await namesIn(folder)
  if (names === undefined) return undefined
  const files = await Promise.all(names.map(async name => [name, await readOne(folder, name)] as const))
  return new Map(files)
}

async function namesIn(folder: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter(entry => entry.isFile() && path.extname(entry.name) in types)
      .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)))
      .map(name => name.split(path.sep).join('/'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function readOne(folder: string, name: string): Promise<PortalFile> {
  const body = await readFile(path.join(folder, name))
  const gzipped = await compress(body, { level: 9 })
  return {
    body,
    gzipped: gzipped.length < body.length ? gzipped : undefined,
    type: types[path.extname(name)] ?? 'application/octet-stream',
    etag: createHash('sha256').update(body).digest('base64url').slice(0, ETAG_CHARS),
    isNamedByContent: /-[A-Z0-9]{8}\.[a-z]+$/.test(name),
  }
}

/** 132 bits. */
const ETAG_CHARS = 22
