import type { CpuRow } from './report.ts'
import type { Closer } from './watch-machine.ts'

type Between = { readonly from: Closer; readonly until: Closer }

const counted = (role: string) => role === 'node' || role.startsWith('agents')

/** Who has spent how much between two looks: the system first, then what sends, reads and measures. */
export function cpuRows({ from, until }: Between): CpuRow[] {
  const ofRole = (role: string): CpuRow => ({
    ...{ who: role, isPart: false, isCounted: counted(role) },
    cpuMs: difference(from.cpuMs[role], until.cpuMs[role]),
  })
  const roles = Object.keys(until.cpuMs)
  const postgres: CpuRow = {
    ...{ who: 'PostgreSQL', isPart: false, isCounted: true },
    cpuMs: difference(from.postgresCpuMs, until.postgresCpuMs),
  }
  const node = roles.filter(role => role === 'node').flatMap(role => [ofRole(role), ...threads(from, until)])
  const agents = roles.filter(role => role.startsWith('agents')).map(ofRole)
  return [
    ...node,
    ...agents,
    postgres,
    ...deeds(from, until, postgres.cpuMs),
    ...roles.filter(role => !counted(role)).map(ofRole),
  ]
}

/** Of everything that is counted; null where a part of it cannot be seen. */
export function systemCpuMs(ends: Between): number | null {
  return cpuRows(ends)
    .filter(({ isPart, isCounted }) => isCounted && !isPart)
    .reduce<number | null>((sum, { cpuMs }) => (sum === null || cpuMs === null ? null : sum + cpuMs), 0)
}

/** The kernel knows no names of threads: the main one comes first, and the others are told apart by how busy they are. */
function threads(from: Closer, until: Closer): CpuRow[] {
  const spent = [...until.nodeThreads].map(([tid, cpuMs]) => cpuMs - (from.nodeThreads.get(tid) ?? 0))
  const [main, ...others] = spent
  if (main === undefined) return []
  const [busiest = 0, second = 0, ...rest] = others.sort((a, b) => b - a)
  const part = (who: string, cpuMs: number): CpuRow => ({ who, isPart: true, isCounted: true, cpuMs })
  return [
    part('main thread', main),
    part('busiest other thread', busiest),
    part('next busiest', second),
    part('all other threads', sum(rest)),
  ]
}

/** By what its processes say they do; those that came or went meanwhile are what is left. */
function deeds(from: Closer, until: Closer, allMs: number | null): CpuRow[] {
  if (allMs === null) return []
  const byDeed = new Map<string, number>()
  for (const [pid, { does, cpuMs }] of until.postgresByDeed) {
    const before = from.postgresByDeed.get(pid)?.cpuMs
    if (before !== undefined) byDeed.set(does, (byDeed.get(does) ?? 0) + cpuMs - before)
  }
  const known = [...byDeed].filter(([, cpuMs]) => cpuMs > 0).sort(([, a], [, b]) => b - a)
  const part = (who: string, cpuMs: number): CpuRow => ({ who, isPart: true, isCounted: true, cpuMs })
  return [
    ...known.map(([does, cpuMs]) => part(does, cpuMs)),
    part('processes that came or went', Math.max(0, allMs - sum(known.map(([, cpuMs]) => cpuMs)))),
  ]
}

function difference(from: number | null | undefined, until: number | null | undefined): number | null {
  return from === null || until === null || from === undefined || until === undefined ? null : until - from
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
