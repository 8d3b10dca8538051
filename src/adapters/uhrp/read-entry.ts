import { type FileHandle, open } from 'node:fs/promises'
import type { Audience } from '../../core/audience.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import type { Folder } from './folder.ts'

/** Who asks: anybody, one who has proven an identity, or the node itself, which sees everything. */
export type Reader = 'anybody' | 'node' | { readonly identityKey: string }

export type Entry = {
  readonly length: number
  readonly state: ObjectState
  readonly audience: Audience
  readonly contentType: string
  readonly retainUntilMs: number
}

export type ObjectState = 'held' | 'expired' | 'lost' | 'corrupt'

/**
 * What is known of an object through the oldest retention that gives it to this reader now, or gave it once; undefined
 * where none ever did. The oldest: who stores the same bytes later does not change what they are called.
 */
export async function readEntry(
  db: Queryable,
  sha256: string,
  reader: Reader,
  nowMs: number,
): Promise<Entry | undefined> {
  const { rows } = await db.query<Entry>({
    name: 'uhrp-read-entry',
    text: `select o.length, o.state, r.audience, r.content_type as "contentType", r.retain_until_ms as "retainUntilMs"
      from uhrp_objects o join uhrp_retentions r using (sha256)
      where o.sha256 = decode($1, 'hex') and (r.audience = 'public' or $2::bytea = any (r.readers) or $3)
      order by r.retain_until_ms > $4 desc, r.stored_ms, r.holder limit 1`,
    values: [sha256, typeof reader === 'string' ? null : bytea(reader.identityKey), reader === 'node', nowMs],
  })
  return rows[0]
}

/** Its file, unless that is missing or has another length. */
export async function openHeld(
  folder: Folder,
  sha256: string,
  length: number,
): Promise<FileHandle | undefined> {
  const file = await openThere(folder.pathOf(sha256))
  if (file === undefined) return undefined
  let isWhole = false
  try {
    isWhole = (await file.stat()).size === length
  } finally {
    if (!isWhole) await file.close()
  }
  return isWhole ? file : undefined
}

async function openThere(at: string): Promise<FileHandle | undefined> {
  try {
    return await open(at, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
