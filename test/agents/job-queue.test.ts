import { describe, expect, test } from 'vitest'
import { openJobQueue } from '../../agents/kit/job-queue.ts'
import { type AgentJob, readJob } from '../../agents/kit/read-job.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { orThrow } from '../../src/core/fault.ts'
import { jobHistory } from '../support/asking-node.ts'
import { certifiedRound } from '../support/certified-round.ts'
import { party } from '../support/pipeline.ts'
import { until } from '../support/until.ts'

const round = certifiedRound()
const key = party('the agent')
const anotherLog = party('another log')
const jobs = [0, 1, 2, 3].map(i => jobUntil(1_900_000_000_000 + i))

describe('the jobs of an agent', () => {
  test('are worked on so many at once, and others wait up to a bound', async () => {
    const { queue, finish, begun } = bed({ atOnce: 1, waitingMax: 1 })
    expect(jobs.slice(0, 3).map(queue.take)).toEqual(['taken', 'taken', 'full'])
    expect([queue.running(), queue.waiting()]).toEqual([1, 1])
    finish(0, true)
    await until(() => begun.length === 2)
    expect(jobs.slice(2, 3).map(queue.take)).toEqual(['taken'])
  })

  test('of one log leave places for those of each other log', async () => {
    const { queue, finish } = bed({ atOnce: 2, waitingMax: 2, logs: 2 })
    const [first, second, third] = jobs
    const other = jobUntil(1_900_000_000_009, anotherLog)
    if (!first || !second || !third) throw new Error('there are jobs')
    expect([first, second, third].map(queue.take)).toEqual(['taken', 'taken', 'full'])
    expect([queue.running(), queue.waiting()]).toEqual([1, 1])
    expect(queue.take(other)).toBe('taken')
    expect([queue.running(), queue.waiting()]).toEqual([2, 1])
    // The place of the other log is free again, and is not given away.
    finish(1, true)
    await until(() => queue.running() === 1)
    expect(queue.waiting()).toBe(1)
    finish(0, true)
    await until(() => queue.waiting() === 0)
  })

  test('are remembered once they are answered, and may come again where they are not', async () => {
    const { queue, finish } = bed({ atOnce: 2, waitingMax: 0 })
    const [first, second] = jobs.map(job => job.transaction.txid)
    jobs.slice(0, 2).map(queue.take)
    expect(queue.seatTaken(first ?? '')).toBe(0)
    finish(0, true)
    finish(1, false)
    await until(() => queue.running() === 0)
    expect(queue.seatTaken(first ?? '')).toBe(0)
    expect(queue.seatTaken(second ?? '')).toBeUndefined()
  })

  test('are finished before it goes, and no more are taken', async () => {
    const { queue, finish } = bed({ atOnce: 1, waitingMax: 4 })
    jobs.slice(0, 2).map(queue.take)
    let isDrained = false
    const drained = queue.drain(60_000).then(() => {
      isDrained = true
    })
    expect(jobs.slice(2, 3).map(queue.take)).toEqual(['draining'])
    finish(0, true)
    await until(() => queue.waiting() === 0)
    expect(isDrained).toBe(false)
    finish(1, true)
    await drained
  })

  test('are left behind where they take too long', async () => {
    const { queue } = bed({ atOnce: 1, waitingMax: 0 })
    jobs.slice(0, 1).map(queue.take)
    await queue.drain(1)
    expect(queue.running()).toBe(1)
  })
})

function bed({ logs = 1, ...bounds }: { atOnce: number; waitingMax: number; logs?: number }) {
  const begun: ((answered: boolean) => void)[] = []
  const queue = openJobQueue({
    ...bounds,
    logs: () => logs,
    work: () => new Promise<boolean>(resolve => begun.push(resolve)),
  })
  return { queue, begun, finish: (i: number, answered: boolean) => begun[i]?.(answered) }
}

function jobUntil(deadlineMs: number, coordinator = round.log): AgentJob {
  const reader = {
    kind: 'normalize' as const,
    agentKey: key.identityKey,
    operator: party('operator north').identityKey,
    coordinators: new Set([coordinator.identityKey]),
    packetsMax: 64,
    jobMsMax: Number.MAX_SAFE_INTEGER,
    templates: ['packet' as const],
  }
  return orThrow(
    readJob(
      orThrow(readBeef(writeBeef(jobHistory(round, 'normalize', key, { deadlineMs, coordinator })))),
      reader,
      0,
    ),
  )
}
