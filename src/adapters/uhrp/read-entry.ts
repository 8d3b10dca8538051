import { type FileHandle, open } from 'node:fs/promises'
import type { Audience } from '../../core/audience.ts'
import { errorCode } from '../../runtime/error-code.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { isOpenSql, openFindReader, readableSql, readerValues } from '../reading/readable.ts'
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
  reader: Exclude<Reader, 'node'>,
  nowMs: number,
): Promise<Entry | undefined> {
  const values = await readableValues(db, sha256, reader, nowMs)
  const { rows } = await db.query<Entry>({ ...readableEntry, values })
  return rows[0]
}

/** The same for the node itself, of several, in their order. */
export async function readEveryEntry(
  db: Queryable,
  sha256s: readonly string[],
  nowMs: number,
): Promise<(Entry | undefined)[]> {
  const { rows } = await db.query<Entry & { readonly turn: number }>({
    ...everyEntry,
    values: [byteas(sha256s), nowMs],
  })
  const entries = new Map(rows.map(({ turn, ...entry }) => [turn, entry]))
  return sha256s.map((_, i) => entries.get(i + 1))
}

async function readableValues(
  db: Queryable,
  sha256: string,
  reader: Exclude<Reader, 'node'>,
  nowMs: number,
): Promise<unknown[]> {
  const identityKey = reader === 'anybody' ? undefined : reader.identityKey
  return [
    ...[sha256, nowMs, identityKey === undefined ? null : bytea(identityKey)],
    ...readerValues(identityKey === undefined ? undefined : await openFindReader(db)(identityKey)),
  ]
}

const ofAStream = (condition: string) =>
  `exists (select from streams as stream where stream.stream_id = any (r.streams) and ${condition})`
/** Where it is made of streams, they say who their readers are now. */
const isNamed = `(r.streams = '{}' and $3::bytea = any (r.readers))`
const isReadable = ofAStream(readableSql('stream', 4))
/** For anybody: as streams are now, as one that belongs to a tenant, or is not published any more, is not. */
const isOpen = `(r.audience = 'public' and (r.streams = '{}'
  or ${ofAStream(isOpenSql('stream'))}))`

const entryOf = (object: string, condition: string) => `
  select o.length, o.state, case when ${isOpen} then 'public' else 'restricted' end as audience,
      r.content_type as "contentType", r.retain_until_ms as "retainUntilMs"
    from uhrp_objects o join uhrp_retentions r using (sha256)
    where o.sha256 = ${object} and ${condition}
    order by r.retain_until_ms > $2 desc, r.stored_ms, r.holder limit 1`

/** A statement of its own: of the other one PostgreSQL would make a plan for each of the node's many looks. */
const everyEntry = {
  name: 'uhrp-read-every-entry',
  text: `select wanted.turn, entry.* from unnest($1::bytea[]) with ordinality as wanted (sha256, turn)
    cross join lateral (${entryOf('wanted.sha256', 'true')}) as entry`,
}
const readableEntry = {
  name: 'uhrp-read-entry',
  text: entryOf(`decode($1, 'hex')`, `(${isNamed} or ${isOpen} or ${isReadable})`),
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
