import { spawnSync } from 'node:child_process'
import { errorCode } from '../../../runtime/error-code.ts'
import { onWindows } from './binaries.ts'
import { type Cluster, serverEnvironment } from './cluster.ts'

/** Asks a postmaster to end: `fast` ends its sessions and writes everything out, `immediate` leaves that to recovery. */
export function signalServer({ binaries, data }: Cluster, pid: number, manner: 'fast' | 'immediate'): void {
  if (onWindows) {
    // Signals end a process there without a word; PostgreSQL listens on a pipe that pg_ctl knows.
    spawnSync(binaries.pgCtl, ['stop', '-D', data, '-m', manner, '-W'], { env: serverEnvironment() })
    return
  }
  try {
    process.kill(pid, manner === 'fast' ? 'SIGINT' : 'SIGQUIT')
  } catch (error) {
    // It has ended by itself.
    if (errorCode(error) !== 'ESRCH') throw error
  }
}
