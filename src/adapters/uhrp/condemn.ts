import type { Pool } from 'pg'
import { wantAdvert } from './adverts.ts'
import { type Folder, statOf } from './folder.ts'
import { underLocks } from './keep-object.ts'

/**
 * Stops serving an object whose file is missing, has another length, or is `damaged`: the file that was seen to hash to
 * something else. Undefined where it is well: somebody may have stored it anew since.
 */
export async function condemn(
  sha256: string,
  { pool, folder, nowMs }: { pool: Pool; folder: Folder; nowMs: number },
  damaged?: { readonly ino: number },
): Promise<'lost' | 'corrupt' | undefined> {
  return underLocks(pool, [sha256], async db => {
    const { rows } = await db.query<{ length: number }>({
      name: 'uhrp-held',
      text: `select length from uhrp_objects where sha256 = decode($1, 'hex') and state = 'held'`,
      values: [sha256],
    })
    const [held] = rows
    if (held === undefined) return undefined
    const file = await statOf(folder.pathOf(sha256))
    if (file !== undefined && file.size === held.length && file.ino !== damaged?.ino) return undefined
    const trouble = file === undefined ? 'lost' : 'corrupt'
    await db.query({
      name: 'uhrp-condemn',
      text: `update uhrp_objects set state = $2 where sha256 = decode($1, 'hex')`,
      values: [sha256, trouble],
    })
    await wantAdvert(db, sha256, nowMs)
    if (file !== undefined) await folder.quarantine(sha256)
    return trouble
  })
}
