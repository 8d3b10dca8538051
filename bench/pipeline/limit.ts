import type { PostgresCpu } from '../submit/postgres-cpu.ts'

/** What something does at best, on the same machine and in the same run, with nothing else under way. */
export type Limit = {
  readonly perSecond: number
  /** Without the one who sends; null where it cannot be seen from here. */
  readonly cpuMicroseconds: number | null
}

export type LimitOptions = {
  /** Of the server, with rights to make databases. */
  readonly server: string
  readonly postgres: PostgresCpu | undefined
  readonly batch: number
  readonly seconds: number
}
