import type { AgentJob } from './read-job.ts'

export type JobQueue = {
  /** Of a job that was taken before, and is not worked on twice. */
  seatTaken(jobTx: string): number | undefined
  /** `full`: ask again later. `draining`: no more. */
  take(job: AgentJob): 'taken' | 'full' | 'draining'
  running(): number
  waiting(): number
  /** Nothing is taken from now on. Resolves when what was taken is done, or the time for it is over. */
  drain(msMax: number): Promise<void>
}

export type JobQueueOptions = {
  readonly atOnce: number
  readonly waitingMax: number
  /** How many logs it works for. Each has an equal share of the places, so that none can keep all of them. */
  logs(): number
  /** Resolves however it ended; false where the same job may be tried again when it is offered again. */
  work(job: AgentJob): Promise<boolean>
}

/** Jobs that are remembered: of an older one the overlay knows the answer. */
const REMEMBERED_MAX = 4096

/**
 * Jobs in the order in which they come, as far as their log has a place; so many at once, and none twice: an agent has one
 * seat in a job.
 */
export function openJobQueue({ atOnce, waitingMax, logs, work }: JobQueueOptions): JobQueue {
  const known = new Map<string, number>()
  const running = new Set<AgentJob>()
  const waiting = new Set<AgentJob>()
  let isDraining = false
  let whenIdle = () => {}

  const remember = ({ transaction, seat }: AgentJob) => {
    const [oldest] = known.keys()
    if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
    known.set(transaction.txid, seat)
  }
  const hasPlace = (places: ReadonlySet<AgentJob>, placesMax: number, { facts }: AgentJob) => {
    const taken = [...places].filter(each => each.facts.coordinator === facts.coordinator).length
    return places.size < placesMax && taken < Math.max(1, Math.floor(placesMax / logs()))
  }
  const run = async (job: AgentJob) => {
    running.add(job)
    try {
      if (!(await work(job))) known.delete(job.transaction.txid)
    } finally {
      running.delete(job)
      const next = [...waiting].find(each => hasPlace(running, atOnce, each))
      if (next !== undefined) {
        waiting.delete(next)
        void run(next)
      } else if (running.size === 0) whenIdle()
    }
  }
  return {
    seatTaken: jobTx => known.get(jobTx),
    take(job) {
      if (isDraining) return 'draining'
      const runs = hasPlace(running, atOnce, job)
      if (!runs && !hasPlace(waiting, waitingMax, job)) return 'full'
      remember(job)
      if (runs) void run(job)
      else waiting.add(job)
      return 'taken'
    },
    running: () => running.size,
    waiting: () => waiting.size,
    async drain(msMax) {
      isDraining = true
      if (running.size === 0) return
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, msMax)
        whenIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
  }
}
