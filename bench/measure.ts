import { median } from './percentile.ts'

/** Something to measure; one call of `run` does it `times` times. */
export type Case = {
  readonly name: string
  readonly times: number
  readonly run: () => void
  /** What the design reaches for, per CPU-second. */
  readonly aim?: number
}

export type Figure = {
  readonly name: string
  readonly perCpuSecond: number
  readonly microseconds: number
  /** This case's time over the first case's, from the same rounds. */
  readonly timesBaseline: number
  readonly aim: number | null
}

export const ROUNDS = 21
const ROUND_CPU_MICROSECONDS = 40_000
const WARM_UP_CPU_MICROSECONDS = 200_000

/**
 * Counts CPU time, for wall-clock figures of a shared machine vary by a third. Each round measures every case
 * once, so that whatever slows the machine down for a while slows all of them; then medians. The first case is
 * the baseline of the ratios.
 */
export function measure(cases: readonly Case[]): Figure[] {
  const warm = cases.map(subject => ({ subject, calls: callsPerRound(subject), samples: [] as number[] }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const { subject, calls, samples } of warm) {
      samples.push(cpuMicroseconds(subject, calls) / (calls * subject.times))
    }
  }
  const [baseline = Number.NaN] = warm.map(({ samples }) => median(samples))
  return warm.map(({ subject, samples }) => {
    const microseconds = median(samples)
    return {
      name: subject.name,
      perCpuSecond: 1e6 / microseconds,
      microseconds,
      timesBaseline: microseconds / baseline,
      aim: subject.aim ?? null,
    }
  })
}

function callsPerRound(subject: Case): number {
  let spent = 0
  let calls = 0
  while (spent < WARM_UP_CPU_MICROSECONDS) {
    spent += cpuMicroseconds(subject, 1)
    calls++
  }
  return Math.max(1, Math.round((calls * ROUND_CPU_MICROSECONDS) / spent))
}

function cpuMicroseconds(subject: Case, calls: number): number {
  const before = process.cpuUsage()
  for (let call = 0; call < calls; call++) subject.run()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
