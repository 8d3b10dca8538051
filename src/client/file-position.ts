import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../runtime/sync-folder.ts'
import type { PositionStore } from './subscribe/position-store.ts'

/** In a file, for Node alone: whole, the one before or the one after, whenever the machine stops. One reader has it to itself. */
export function filePosition(file: string): PositionStore {
  return {
    async load() {
      try {
        return (await readFile(file, 'utf8')).trim()
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
    },
    async save(position) {
      const fresh = `${file}.new`
      const handle = await open(fresh, 'w')
      try {
        await handle.writeFile(`${position}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(fresh, file)
      await syncFolder(dirname(file))
    },
  }
}
