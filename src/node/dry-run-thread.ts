import { parentPort } from 'node:worker_threads'
import type { Outcome } from '../core/fault.ts'
import { type DryOutcome, type DryRun, dryRun } from '../ingest/dry-run.ts'

/** Policies of publishers are read and tried here, where they keep nobody waiting who has sent none. */
export type ToDryRuns = { readonly id: number; readonly run: DryRun }
export type FromDryRuns = 'ready' | { readonly id: number; readonly outcome: Outcome<DryOutcome> }

parentPort?.on('message', ({ id, run }: ToDryRuns) => {
  const answer: FromDryRuns = { id, outcome: dryRun(run) }
  parentPort?.postMessage(answer)
})
const ready: FromDryRuns = 'ready'
parentPort?.postMessage(ready)
