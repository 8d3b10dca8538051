import type { Counts } from './conservation.ts'
import type { FigureName, Figures, LatencyName } from './figures.ts'
import type { Latency } from './histogram.ts'
import type { PipelineOptions } from './options.ts'

/** What one run has found out: printed, drawn, and written as it is. */
export type PipelineReport = {
  readonly atMs: number
  readonly options: PipelineOptions
  readonly machine: Readonly<Record<string, string>>
  readonly figures: Figures
  readonly latencies: { readonly [Name in LatencyName]: Latency }
  readonly cpu: readonly CpuRowBothTimes[]
  readonly counts: Counts
  readonly clients: {
    readonly messages: number
    readonly events: number
    readonly verifiedEvents: number
    readonly cutOff: Readonly<Record<string, number>>
  }
  readonly packets: { readonly count: number }
  /** A row for each second since the first event was due. */
  readonly timeline: readonly Second[]
  /** Nothing was lost where there is none. */
  readonly losses: readonly string[]
}

export type CpuRow = {
  readonly who: string
  /** Part of the row above it that is not a part. */
  readonly isPart: boolean
  /** Whether it is the system's; what sends, reads and measures is not. */
  readonly isCounted: boolean
  readonly cpuMs: number | null
}

export type CpuRowBothTimes = CpuRow & {
  /** From before the first scheduled event until all was certified; null of a part. */
  readonly wholeCpuMs: number | null
}

export type Second = {
  readonly second: number
  readonly isMeasured: boolean
  readonly accepted: number
  readonly certified: number
  readonly p95Ms: { readonly [Name in Exclude<LatencyName, 'quorum'>]: number | null }
  readonly nodeMegabytes: number | null
  readonly agentsMegabytes: number | null
  readonly nodeCores: number | null
  readonly agentsCores: number | null
  readonly postgresCores: number | null
  /** Sends, reads and measures. */
  readonly besideCores: number | null
}

export function perEvent(cpuMs: number | null, events: number): number | null {
  return cpuMs === null || events === 0 ? null : (1000 * cpuMs) / events
}

export function shownFigure(name: FigureName, { figures }: Pick<PipelineReport, 'figures'>): string {
  return shown(figures[name])
}

/** So many digits as say something. */
export function shown(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return 'not measured'
  const size = Math.abs(value)
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2)
}
