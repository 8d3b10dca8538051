import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'

/** Milliseconds of CPU that a server's processes have spent so far, all of them together. */
export type PostgresCpu = () => number

/** In which the kernel counts a process's time, on every Linux there is. */
const TICK_MS = 10

/** Undefined where the server runs on another machine, or this one has no /proc. */
export async function postgresCpu(url: string): Promise<PostgresCpu | undefined> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const backend = statOf(String(rows[0]?.pid))
    if (backend?.name !== 'postgres') return undefined
    return () => treeMs(backend.parent)
  } finally {
    await client.end()
  }
}

/** The postmaster with the children it has, and those it has buried. */
function treeMs(postmaster: string): number {
  let ticks = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const stat = statOf(pid)
    if (pid === postmaster || stat?.parent === postmaster) ticks += stat?.ticks ?? 0
  }
  return ticks * TICK_MS
}

function statOf(pid: string): { name: string; parent: string; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [nameStart, nameEnd] = [text.indexOf('('), text.lastIndexOf(')')]
    const [, parent = '', ...rest] = text.slice(nameEnd + 2).split(' ')
    const [utime, stime, cutime, cstime] = rest.slice(9, 13).map(Number)
    const ticks = (utime ?? 0) + (stime ?? 0) + (cutime ?? 0) + (cstime ?? 0)
    return { name: text.slice(nameStart + 1, nameEnd), parent, ticks }
  } catch {
    // It has ended since it was listed, and its parent counts its time now; or there is no /proc here.
    return undefined
  }
}
