import { readdirSync, readFileSync } from 'node:fs'

/** In which the kernel counts time, on every Linux there is. */
const TICK_MS = 10

/**
 * Milliseconds of CPU by thread of a process, the main one first, which has the process's number; empty where there is no
 * /proc to say it.
 */
export function threadCpuMs(pid: number): ReadonlyMap<number, number> {
  const threads = new Map<number, number>()
  // They are listed as texts, in which 9999 stands after 10000.
  for (const tid of new Set([`${pid}`, ...listed(`/proc/${pid}/task`)])) {
    const ticks = ticksOf(`/proc/${pid}/task/${tid}/stat`)
    if (ticks !== undefined) threads.set(Number(tid), ticks * TICK_MS)
  }
  return threads
}

/** Memory of a process that is in use and nobody else's alone, in bytes. */
export function residentBytes(pid: number): number | null {
  return kilobytes(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m)
}

/** Its share of what it uses, where several processes use the same. */
function proportionalBytes(pid: number): number | null {
  return kilobytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m)
}

function kilobytes(file: string, line: RegExp): number | null {
  const found = line.exec(textOf(file) ?? '')?.[1]
  return found === undefined ? null : Number(found) * 1024
}

/** A process of PostgreSQL, by what it says it is. */
export type PostgresProcess = { readonly pid: number; readonly does: string }

/** The server that has this process among its children, with all of them. */
export function postgresProcesses(backendPid: number): PostgresProcess[] {
  const postmaster = parentOf(backendPid)
  if (postmaster === undefined) return []
  return listed('/proc').flatMap(name => {
    const pid = Number(name)
    if (!/^\d+$/.test(name)) return []
    if (pid === postmaster) return [{ pid, does: 'postmaster' }]
    return parentOf(pid) === postmaster ? [{ pid, does: deedOf(textOf(`/proc/${pid}/cmdline`) ?? '') }] : []
  })
}

export function memoryOfAll(processes: readonly PostgresProcess[]): number | null {
  const sizes = processes.map(({ pid }) => proportionalBytes(pid))
  return sizes.length === 0 || sizes.every(size => size === null)
    ? null
    : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

/** `postgres: user database host(port) state` of those who serve clients; the others say their name. */
function deedOf(title: string): string {
  const said = title
    .replaceAll('\0', ' ')
    .trim()
    .replace(/^postgres: */, '')
  return /\(\d+\)|\[local\]/.test(said) ? 'of clients' : said.replace(/ .*$/, '')
}

/** Of all processors together: busy with anybody's work, and taken away by whoever runs this machine. */
export function machineCpuMs(): { busyMs: number; stolenMs: number } | null {
  const fields = /^cpu +(.*)$/m
    .exec(textOf('/proc/stat') ?? '')?.[1]
    ?.split(' ')
    .map(Number)
  if (fields === undefined) return null
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields
  return { busyMs: (user + nice + system + irq + softirq) * TICK_MS, stolenMs: steal * TICK_MS }
}

/** Whether the processor says that it is somebody's program. */
export function isVirtual(): boolean | null {
  const flags = /^flags\s*:(.*)$/m.exec(textOf('/proc/cpuinfo') ?? '')?.[1]
  return flags === undefined ? null : / hypervisor( |$)/.test(flags)
}

function ticksOf(file: string): number | undefined {
  const text = textOf(file)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields === undefined ? undefined : Number(fields[11]) + Number(fields[12])
}

function parentOf(pid: number): number | undefined {
  const text = textOf(`/proc/${pid}/stat`)
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    // It has ended since it was listed, or there is no /proc here: then the figure is not there, and the report says so.
    return undefined
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The same.
    return []
  }
}
