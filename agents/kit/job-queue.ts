import type { AgentJob } from './read-job.ts'

export type JobQueue = {
  /** `known`: taken before, and not worked on twice. `full`: ask again later. `draining`: no more. */
  take(job: AgentJob): Taken
  running(): number
  waiting(): number
  /** Nothing is taken from now on. Resolves when what was taken is done, or the time for it is over. */
  drain(msMax: number): Promise<void>
}

export type Taken = 'taken' | 'known' | 'full' | 'draining'

export type JobQueueOptions = {
  readonly atOnce: number
  readonly waitingMax: number
  /** Resolves however it ended; false where the same job may be tried again when it is offered again. */
  work(job: AgentJob): Promise<boolean>
}

/** Seats that are remembered: of an older one the overlay knows the answer. */
const REMEMBERED_MAX = 4096

/** Jobs in the order in which they come, so many at once, and no seat twice. */
export function openJobQueue({ atOnce, waitingMax, work }: JobQueueOptions): JobQueue {
  const known = new Set<string>()
  const queue: AgentJob[] = []
  let running = 0
  let isDraining = false
  let whenIdle = () => {}

  const remember = (seat: string) => {
    const [oldest] = known
    if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
    known.add(seat)
  }
  const run = async (job: AgentJob) => {
    running += 1
    try {
      if (!(await work(job))) known.delete(seatOf(job))
    } finally {
      running -= 1
      const next = queue.shift()
      if (next !== undefined) void run(next)
      else if (running === 0) whenIdle()
    }
  }
  return {
    take(job) {
      const seat = seatOf(job)
      if (known.has(seat)) return 'known'
      if (isDraining) return 'draining'
      if (running >= atOnce && queue.length >= waitingMax) return 'full'
      remember(seat)
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

function seatOf({ transaction, seat }: AgentJob): string {
  return `${transaction.txid}.${seat}`
}
