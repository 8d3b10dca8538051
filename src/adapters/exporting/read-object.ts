import path from 'node:path'
import type { Pool } from 'pg'
import { PACKET_BYTES_MAX } from '../../core/log/packet-header.ts'
import { outputBounds } from '../../core/work/stage-output.ts'
import { folderAt } from '../uhrp/folder.ts'
import { openHeld, readEveryEntry } from '../uhrp/read-entry.ts'

/** The bytes under a hash, whatever they are by now; undefined where there are none. */
export type ReadObject = (sha256: string) => Promise<Uint8Array | undefined>

/** Of lines and outputs, the longest. */
const OBJECT_BYTES_MAX = Math.max(PACKET_BYTES_MAX, outputBounds.bytesMax)

/** Looks, and changes nothing: also of what turns out to be damaged. */
export function openReadObject(pool: Pool, directory: string, now: () => number): ReadObject {
  return async sha256 => {
    const [entry] = await readEveryEntry(pool, [sha256], now())
    if (entry?.state !== 'held' || entry.length > OBJECT_BYTES_MAX) return undefined
    const { rows } = await pool.query<{ id: string }>({
      name: 'export-store',
      text: 'select id from uhrp_store',
    })
    const [store] = rows
    if (store === undefined) return undefined
    const folder = folderAt(path.join(path.resolve(directory), store.id))
    const file = await openHeld(folder, sha256, entry.length)
    if (file === undefined) return undefined
    try {
      return new Uint8Array(await file.readFile())
    } finally {
      await file.close()
    }
  }
}
