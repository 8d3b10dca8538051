import { readFileSync } from 'node:fs'

/** In which the kernel counts a process's time, on every Linux there is. */
const TICK_MS = 10

/** Milliseconds of CPU that a process has spent so far; undefined where there is no /proc to say it. */
export function processCpuMs(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    // Another system than Linux: then the figure is not there, and the report says so.
    return undefined
  }
}
