import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { processCpuMs } from '../ingest/process-cpu.ts'
import type { PostgresCpu } from '../submit/postgres-cpu.ts'
import { machineCpuMs, memoryOfAll, postgresProcesses, residentBytes, threadCpuMs } from './proc.ts'

/** Processes by what they are to the report; several may be one thing. */
export type Roles = Readonly<Record<string, readonly number[]>>

/** What the machine says at one moment; null where it says nothing. */
export type Moment = {
  readonly atMs: number
  readonly cpuMs: Readonly<Record<string, number | null>>
  readonly residentBytes: Readonly<Record<string, number | null>>
  readonly postgresCpuMs: number | null
}

export type Closer = Moment & {
  readonly nodeThreads: ReadonlyMap<number, number>
  /** By what its processes say they do, of those that are there. */
  readonly postgresByDeed: ReadonlyMap<number, { readonly does: string; readonly cpuMs: number }>
  readonly postgresBytes: number | null
  readonly machine: ReturnType<typeof machineCpuMs>
}

/** What is counted is counted between these. */
export type BothEnds = { readonly from: End; readonly until: End }
type End = Closer & { readonly walBytes: number }

export type Watched = {
  readonly roles: Roles
  readonly nodePid: number
  readonly postgres: PostgresCpu | undefined
  /** Of any connection to the server. */
  readonly backendPid: number
}

export function momentOf({ roles, postgres }: Watched): Moment {
  const sums = (of: (pid: number) => number | null | undefined) =>
    Object.fromEntries(
      Object.entries(roles).map(([role, pids]) => {
        const known = pids.map(of)
        return [
          role,
          known.some(each => each === null || each === undefined)
            ? null
            : known.reduce<number>((sum, each) => sum + (each ?? 0), 0),
        ]
      }),
    )
  return {
    atMs: Date.now(),
    cpuMs: sums(processCpuMs),
    residentBytes: sums(residentBytes),
    postgresCpuMs: postgres?.() ?? null,
  }
}

export function closerLook(watched: Watched): Closer {
  const processes = watched.postgres === undefined ? [] : postgresProcesses(watched.backendPid)
  return {
    ...momentOf(watched),
    nodeThreads: threadCpuMs(watched.nodePid),
    postgresByDeed: new Map(
      processes.map(({ pid, does }) => [pid, { does, cpuMs: processCpuMs(pid) ?? 0 }] as const),
    ),
    postgresBytes: memoryOfAll(processes),
    machine: machineCpuMs(),
  }
}

const EVERY_MS = 1_000

/** A moment each second, until it is told to stop. */
export function watchMachine(watched: Watched): { stop(): readonly Moment[] } {
  const moments: Moment[] = [momentOf(watched)]
  const timer = setInterval(() => moments.push(momentOf(watched)), EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      return moments
    },
  }
}

/** Of all files in a folder, those of folders in it included. */
export async function folderBytes(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  let bytes = 0
  for (const file of files) {
    if (!file.isFile()) continue
    try {
      bytes += (await stat(path.join(file.parentPath, file.name))).size
    } catch {
      // Renamed or removed since it was listed: it is counted under its other name, or gone.
    }
  }
  return bytes
}
