import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Pool } from 'pg'
import { uhrpUrlOf } from '../../contract/uhrp-url.ts'
import type { Audience } from '../../core/audience.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { together } from '../../runtime/together.ts'
import { byteas } from '../postgres/sql.ts'
import { wantAdvert } from './adverts.ts'
import { condemn } from './condemn.ts'
import { type Folder, folderAt } from './folder.ts'
import { type Holder, isNodes } from './holder.ts'
import { keepObject, keepOwn, type OwnToKeep, type Retention, underLocks } from './keep-object.ts'
import { openHeld, type Reader, readEntry, readEveryEntry } from './read-entry.ts'
import {
  type Content,
  drop,
  type Expected,
  isDiskFull,
  receiveContent,
  storageFull,
} from './receive-content.ts'

/** Bytes by their SHA-256, kept as long as somebody wants them. */
export type ContentStore = {
  /**
   * Resolves once the bytes are on disk under their hash and a row names them; concurrent calls with the same bytes
   * make one object. The mistakes of whoever sends them are faults: `content-invalid`, `content-too-large`,
   * `upload-taken`, `storage-full`.
   */
  put(content: Content, wishes: Wishes): Promise<Outcome<StoredObject>>
  /** What this reader gets to see of it; whoever opens an object closes it. */
  open(sha256: string, reader: Reader): Promise<Opened>
  /** Stops serving an object whose open file was seen to hold other bytes. */
  condemn(object: OpenObject): Promise<void>
  /** The end that this holder's retention has now and had before; undefined where it keeps no such object any more. */
  extend(sha256: string, holder: Holder, retainUntilMs: number): Promise<Extended | undefined>
  /** Shares what this holder keeps with more readers, or with everybody; false where it keeps no such object. */
  release(
    sha256: string,
    holder: Holder,
    to: { audience: Audience; readers: readonly string[] },
  ): Promise<boolean>
  readonly folder: Folder
}

export type Wishes = Omit<Retention, Unsaid> &
  Partial<Pick<Retention, Unsaid>> & { readonly expected?: Expected }
type Unsaid = 'readers' | 'streams' | 'contentType' | 'advertise'

export type StoredObject = { readonly sha256: string; readonly length: number; readonly uhrpUrl: string }
export type Extended = { readonly previousMs: number; readonly retainUntilMs: number }

export type Opened =
  | { readonly kind: 'open'; readonly object: OpenObject }
  /** It was here for this reader, until its time was over. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'none' }

export type OpenObject = {
  readonly sha256: string
  readonly length: number
  readonly contentType: string
  readonly audience: Audience
  readonly file: FileHandle
}

export type ContentStoreDeps = {
  readonly pool: Pool
  /** Holds a folder for each database. */
  readonly directory: string
  readonly bounds: ContentStoreBounds
  now(): number
  /** Told when an object turns out to be gone or damaged. */
  onTrouble(sha256: string, trouble: 'lost' | 'corrupt'): void
}

export type ContentStoreBounds = { readonly objectBytesMax: number; readonly freeBytesMin: number }

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream'

export async function openContentStore(deps: ContentStoreDeps): Promise<ContentStore> {
  const { pool, bounds, now } = deps
  const folder = await folderOf(deps)
  const condemned = async (sha256: string, damaged?: { readonly ino: number }) => {
    const trouble = await condemn(sha256, { pool, folder, nowMs: now() }, damaged)
    if (trouble !== undefined) deps.onTrouble(sha256, trouble)
  }
  const keepTogether = together(
    async (toKeep: readonly OwnToKeep[]) => {
      await keepOwn(toKeep, { pool, folder })
      return toKeep.map(() => true)
    },
    // By then their files have other names.
    { itemsMax: 32, runsMax: 2, againEach: false },
  )
  /** A round's packets are looked for at one moment. */
  const entryOf = together((sha256s: readonly string[]) => readEveryEntry(pool, sha256s, now()), {
    ...{ itemsMax: 64, runsMax: 4, againEach: true },
  })
  const bounded = { bytesMax: bounds.objectBytesMax, freeBytesMin: bounds.freeBytesMin }
  return {
    folder,
    async put(content, { expected = {}, ...wishes }) {
      const retention: Retention = {
        readers: [],
        streams: [],
        contentType: DEFAULT_CONTENT_TYPE,
        advertise: true,
        ...wishes,
      }
      const received = await receiveContent(content, expected, folder, bounded)
      if (!received.ok) return received
      const { sha256, length, incoming } = received.value
      try {
        const kept = isNodes(retention.holder)
          ? accepted(await keepTogether({ received: received.value, retention, nowMs: now() }))
          : await keepObject(received.value, retention, { pool, folder, nowMs: now() })
        return kept.ok ? accepted({ sha256, length, uhrpUrl: uhrpUrlOf(sha256) }) : kept
      } catch (error) {
        if (isDiskFull(error)) return storageFull
        throw error
      } finally {
        // Settled, it has another name by now.
        await drop(incoming)
      }
    },
    async open(sha256, reader) {
      const entry = await (reader === 'node' ? entryOf(sha256) : readEntry(pool, sha256, reader, now()))
      if (entry === undefined || entry.state === 'lost' || entry.state === 'corrupt') return { kind: 'none' }
      if (entry.state === 'expired' || entry.retainUntilMs <= now()) return { kind: 'expired' }
      const file = await openHeld(folder, sha256, entry.length)
      if (file !== undefined) return { kind: 'open', object: { ...entry, sha256, file } }
      await condemned(sha256)
      return { kind: 'none' }
    },
    condemn: async ({ sha256, file }) => condemned(sha256, await file.stat()),
    extend: (sha256, holder, retainUntilMs) =>
      underLocks(pool, [sha256], async db => {
        const { rows } = await db.query<Extended>({
          name: 'uhrp-extend',
          text: `update uhrp_retentions r set retain_until_ms = greatest(r.retain_until_ms, $3)
            from uhrp_retentions before join uhrp_objects o using (sha256)
            where r.sha256 = decode($1, 'hex') and r.holder = $2 and r.retain_until_ms > $4
              and (before.sha256, before.holder) = (r.sha256, r.holder) and o.state = 'held'
            returning before.retain_until_ms as "previousMs", r.retain_until_ms as "retainUntilMs"`,
          values: [sha256, holder, retainUntilMs, now()],
        })
        await wantAdvert(db, sha256, now())
        return rows[0]
      }),
    release: (sha256, holder, { audience, readers }) =>
      underLocks(pool, [sha256], async db => {
        const { rowCount } = await db.query({
          name: 'uhrp-release',
          text: `update uhrp_retentions set readers = array(select distinct unnest(readers || $4)),
              audience = case when audience = 'public' then audience else $3 end
            where sha256 = decode($1, 'hex') and holder = $2 and retain_until_ms > $5`,
          values: [sha256, holder, audience, byteas(readers), now()],
        })
        await wantAdvert(db, sha256, now())
        return rowCount === 1
      }),
  }
}

/**
 * A database whose files are elsewhere is not opened: all of its objects would be taken for lost, and their adverts be
 * withdrawn, over a disk that was not mounted.
 */
async function folderOf({ pool, directory }: ContentStoreDeps): Promise<Folder> {
  const { rows } = await pool.query<{ id: string; held: boolean }>(
    `select id, exists (select from uhrp_objects where state = 'held') as held from uhrp_store`,
  )
  const [store] = rows
  if (store === undefined) throw new Error('the database does not say which folder its objects are in')
  const folder = folderAt(path.join(path.resolve(directory), store.id))
  if (store.held && !(await folder.exists()))
    throw new Error(
      `UHRP_DIR is ${path.resolve(directory)}, and the folder ${store.id} is not in it, where this database has its ` +
        'objects. Mount the disk or correct UHRP_DIR. If they are gone for good, make an empty folder of that name: they ' +
        'are then taken for lost, and can be uploaded again.',
    )
  return folder
}
