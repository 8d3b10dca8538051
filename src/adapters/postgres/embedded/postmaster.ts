import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { errorCode } from '../../../runtime/error-code.ts'
import { onWindows } from './binaries.ts'

/** What postmaster.pid says about a data directory, held against the processes that there are. */
export type Postmaster =
  | { readonly kind: 'none' }
  /** The file is there and its process is not; or its number is somebody else's by now, or of one to be buried. */
  | {
      readonly kind: 'stale'
      /** PostgreSQL does not start over it. */
      readonly isInTheWay: boolean
    }
  | {
      readonly kind: 'running'
      readonly pid: number
      readonly port: number
      readonly ready: boolean
      /** Somebody has asked it to end. */
      readonly stopping: boolean
    }

export function findPostmaster(data: string): Postmaster {
  const text = readPidFile(data)
  if (text === undefined) return { kind: 'none' }
  const lines = text.split('\n').map(line => line.trim())
  const pid = Number(lines[pidLine])
  // Made this very moment and not written yet; or the machine stopped between the two.
  if (!Number.isSafeInteger(pid) || pid <= 0)
    return isYoung(data) ? starting : { kind: 'stale', isInTheWay: true }
  if (!isPostmasterOf(data, pid)) return { kind: 'stale', isInTheWay: isAlive(pid) }
  const status = lines[statusLine]
  return {
    kind: 'running',
    pid,
    port: Number(lines[portLine]) || 0,
    ready: status === 'ready',
    stopping: status === 'stopping',
  }
}

/** By the process itself, not by the file, which it removes a moment before it ends. */
export function isPostmasterOf(data: string, pid: number): boolean {
  return isAlive(pid) && worksIn(pid, data)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/**
 * PostgreSQL refuses to start where the pid file names a living process, whatever that is: after a crash of the
 * machine, or in a restarted container, it can be anybody. The file is not removed, since its last line lets
 * PostgreSQL see backends that outlived their postmaster; it is made to name a process that cannot exist. Only for a
 * file that has stood so for a while: another process may be about to start the server, whose file must not be lost.
 */
export function disownPidFile(data: string): void {
  const seen = readPidFile(data)
  if (seen === undefined) return
  const [first, ...rest] = seen.split('\n')
  // One that has ended PostgreSQL sees through itself, and safely where several processes start it at once.
  if (Number(first) > 0 && !isAlive(Number(first))) return
  const file = path.join(data, 'postmaster.pid')
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, [String(impossiblePid), ...rest].join('\n'), { mode: 0o600 })
  // Another process may have started the server since; then the file is not ours to change.
  if (readPidFile(data) === seen && findPostmaster(data).kind === 'stale') renameSync(draft, file)
  else rmSync(draft)
}

const [pidLine, portLine, statusLine] = [0, 3, 7]
const impossiblePid = 2 ** 31 - 1
const youngMs = 10_000
const starting: Postmaster = { kind: 'running', pid: 0, port: 0, ready: false, stopping: false }

function readPidFile(data: string): string | undefined {
  try {
    return readFileSync(path.join(data, 'postmaster.pid'), 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function isYoung(data: string): boolean {
  const found = statSync(path.join(data, 'postmaster.pid'), { throwIfNoEntry: false })
  return found === undefined || Date.now() - found.mtimeMs < youngMs
}

/** A postmaster works in its data directory; elsewhere it can be known by its command line. */
function worksIn(pid: number, data: string): boolean {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === data
    } catch (error) {
      // ENOENT: it has ended, and only waits to be buried. What may not be read is not ours.
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return false
      throw error
    }
  }
  if (onWindows) return true
  return spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout.includes(data)
}
