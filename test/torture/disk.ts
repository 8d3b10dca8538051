import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { rm, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isAlive } from '../../src/adapters/postgres/embedded/postmaster.ts'

/** Where the database and what nodes store lie: a small disk of its own, where one can be had. */
export type Disk = {
  readonly folder: string
  /** Why it cannot be filled up; undefined where it can. */
  readonly unfillable: string | undefined
  /** Leaves no room at all. */
  fill(): Promise<void>
  empty(): Promise<void>
  remove(): void
}

const BYTES = 3 * 1024 ** 3

export function openDisk(folder: string): Disk {
  mkdirSync(folder, { recursive: true })
  const unfillable = mount(folder)
  const ballast = path.join(folder, 'ballast')
  return {
    folder,
    unfillable,
    async fill() {
      const { bavail, bsize } = await statfs(folder)
      const chunk = Buffer.alloc(CHUNK_BYTES)
      const chunks = Array.from({ length: Math.ceil((bavail * bsize) / CHUNK_BYTES) }, () => chunk)
      await writeFile(ballast, chunks).catch(error => {
        if (error.code !== 'ENOSPC') throw error
      })
    },
    empty: () => rm(ballast, { force: true }),
    remove() {
      if (unfillable === undefined) execFileSync('umount', ['--lazy', folder])
    },
  }
}

const CHUNK_BYTES = 1024 ** 2

function mount(folder: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'a disk that can be filled up is mounted by root on Linux alone'
  try {
    unmountAbandoned()
    const device = `${devicePrefix}${process.pid}`
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${BYTES},mode=0755`, device, folder], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `no small disk could be mounted here: ${error instanceof Error ? error.message.trim() : error}`
  }
}

const devicePrefix = 'assay-torture-'

/** Who was killed could not take its disk along, which has its number in its name. */
function unmountAbandoned(): void {
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [device = '', folder = ''] = line.split(' ')
    const owner = device.startsWith(devicePrefix) ? Number(device.slice(devicePrefix.length)) : Number.NaN
    if (Number.isInteger(owner) && !isAlive(owner))
      execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' })
  }
}
