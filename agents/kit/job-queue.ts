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
  /** Resolves however it ended; false where the same job may be tried again when it is offered again. */
  work(job: AgentJob): Promise<boolean>
}

/** Jobs that are remembered: of an older one the overlay knows the answer. */
const REMEMBERED_MAX = 4096

/** Jobs in the order in which they come, so many at once, and none twice: an agent has one seat in a job. */
export function openJobQueue({ atOnce, waitingMax, work }: JobQueueOptions): JobQueue {
  const known = new Map<string, number>()
  const queue: AgentJob[] = []
  let running = 0
  let isDraining = false
  let whenIdle = () => {}

  const remember = ({ transaction, seat }: AgentJob) => {
    const [oldest] = known.keys()
    if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
    known.set(transaction.txid, seat)
  }
  const run = async (job: AgentJob) => {
    running += 1
    try {
      if (!(await work(job))) known.delete(job.transaction.txid)
    } finally {
      running -= 1
      const next = queue.shift()
      if (next !== undefined) void run(next)
      else if (running === 0) whenIdle()
    }
  }
  return {
    seatTaken: jobTx => known.get(jobTx),
    take(job) {
      if (isDraining) return 'draining'
      if (running >= atOnce && queue.length >= waitingMax) return 'full'
      remember(job)
      if (running < atOnce) void run(job)
      else queue.push(job)
      return 'taken'
    },
    running: () => running,
    waiting: () => queue.length,
    async drain(msMax) {
      isDraining = true
      if (running === 0) return
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
