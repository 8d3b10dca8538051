import path from 'node:path'
import type { Outcome } from '../core/fault.ts'
import type { RunDry, TryPolicy } from '../http/publishers/publisher-ports.ts'
import type { DryOutcome } from '../ingest/dry-run.ts'
import { startThread, type Thread } from '../runtime/thread.ts'
import type { FromDryRuns, ToDryRuns } from './dry-run-thread.ts'

export type DryRunBounds = {
  /** One that takes longer is given up, with its thread. */
  readonly msMax: number
  /** Behind the one at work. */
  readonly waitingMax: number
}

export const dryRunBounds: DryRunBounds = { msMax: 5_000, waitingMax: 8 }

export type DryRuns = { readonly tryPolicy: TryPolicy; stop(): Promise<void> }

type Waiting = {
  readonly message: ToDryRuns
  answer(outcome: Outcome<DryOutcome> | 'too-costly'): void
  fail(error: Error): void
}

type Running = { readonly of: Thread<ToDryRuns>; isReady: boolean }

/**
 * Policies are tried one after the other in a thread that is started for the first of them. How long one takes is counted from
 * when the thread has it; a thread that is ended for that is no loss, as it keeps nothing.
 */
export function openDryRuns({ msMax, waitingMax }: DryRunBounds = dryRunBounds): DryRuns {
  const whose = new Set<string>()
  const waiting: Waiting[] = []
  let working: { readonly its: Waiting; readonly timer: NodeJS.Timeout } | undefined
  let thread: Running | undefined
  let last = 0
  let isStopping = false

  const next = () => {
    const its = working === undefined && thread?.isReady === true ? waiting.shift() : undefined
    if (its === undefined || thread === undefined) return
    working = { its, timer: setTimeout(() => finish('too-costly'), msMax) }
    thread.of.post(its.message)
  }
  const settled = () => {
    clearTimeout(working?.timer)
    const its = working?.its
    working = undefined
    return its
  }
  const finish = (outcome: Outcome<DryOutcome> | 'too-costly') => {
    if (outcome === 'too-costly') void letGo()
    settled()?.answer(outcome)
    if (waiting.length > 0) start()
    next()
  }
  const failed = (error: Error) => {
    thread = undefined
    const lost = [settled(), ...waiting.splice(0)]
    for (const its of lost) its?.fail(error)
  }
  const start = () => {
    if (thread !== undefined) return
    const started: Running = {
      isReady: false,
      of: startThread<ToDryRuns, FromDryRuns>(program, {
        data: undefined,
        onMessage(message) {
          if (thread !== started) return
          if (message === 'ready') {
            started.isReady = true
            next()
          } else if (message.id === working?.its.message.id) finish(message.outcome)
        },
        onFailure(error) {
          if (thread === started) failed(error)
        },
      }),
    }
    thread = started
  }
  const letGo = async () => {
    const ending = thread
    thread = undefined
    await ending?.of.end()
  }

  const run: RunDry = asked =>
    new Promise((answer, fail) => {
      if (isStopping) return fail(stopping())
      waiting.push({ message: { id: ++last, run: asked }, answer, fail })
      start()
      next()
    })

  return {
    async tryPolicy(identityKey, work) {
      if (whose.has(identityKey)) return 'one-at-a-time'
      // One of them is at work, or soon will be.
      if (whose.size > waitingMax) return 'busy'
      whose.add(identityKey)
      try {
        return await work(run)
      } finally {
        whose.delete(identityKey)
      }
    },
    async stop() {
      isStopping = true
      const lost = [settled(), ...waiting.splice(0)]
      for (const its of lost) its?.fail(stopping())
      await letGo()
    },
  }
}

function stopping(): Error {
  return new Error('the node is stopping')
}

/** As this file is spelled: built, or as its source. */
const program = new URL(`./dry-run-thread${path.extname(import.meta.url)}`, import.meta.url)
