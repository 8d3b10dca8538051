import { performance } from 'node:perf_hooks'
import { percentile } from '../percentile.ts'
import type { Task } from './workload.ts'

export type Driven = {
  readonly submits: number
  readonly wallMs: number
  readonly p50Ms: number
  readonly p95Ms: number
}

/** Hands over the tasks, `concurrency` of them at a time, and the BEEFs of each one after the other. */
export async function drive(
  tasks: readonly Task[],
  concurrency: number,
  submit: (beef: Uint8Array) => Promise<void>,
): Promise<Driven> {
  const took: number[] = []
  const queue = tasks.values()
  const begun = performance.now()
  const work = async () => {
    for (const task of queue)
      for (const beef of task) {
        const start = performance.now()
        await submit(beef)
        took.push(performance.now() - start)
      }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  const wallMs = performance.now() - begun
  return { submits: took.length, wallMs, p50Ms: percentile(took, 0.5), p95Ms: percentile(took, 0.95) }
}
