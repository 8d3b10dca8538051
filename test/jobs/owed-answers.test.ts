import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ASKED_JOBS_MAX,
  OWED_JOBS_MAX,
  type OwedAnswers,
  openOwedAnswers,
} from '../../src/jobs/owed-answers.ts'
import { until } from '../support/until.ts'
import { honest, type Play, type RoundsNode, roundsNode } from './rounds-node.ts'

/** So long that nothing here is decided by a deadline; time passes where a test sets the clock. */
const TIMEOUT_MS = 600_000
const FAIR_MS = TIMEOUT_MS / 4
const job = { fanOut: 'all', timeoutMs: TIMEOUT_MS, satsPerKb: 100, outputBytesMax: 1e9 } as const

let node: RoundsNode

describe('on a node', () => {
  beforeEach(async () => {
    node = await roundsNode()
  }, 60_000)

  afterEach(() => node.close(), 60_000)

  test('an agent that takes its seat and never answers is named at the deadline, however quick the others were', async () => {
    node.play(silentAtNormalize)
    node.start({ bounds: { job }, timing: { owedMs: 5 } })
    await certifying(await node.seal([1]))
    expect(await conductAtNormalize()).toEqual(['agreed', 'unheard', 'agreed'])
    expect(await named()).toEqual([])
    const evidence = await until(async () => {
      // As it passes, and not as somebody sets it, which would be no sign of anything.
      node.setClock(FAIR_MS / 40)
      const found = await named()
      return found.length > 0 && found
    })
    expect(evidence).toEqual([{ kind: 'silent', stage: 'normalize', vout: 1 }])
    expect(await conductAtNormalize()).toEqual(['agreed', 'silent', 'agreed'])
    expect(node.failures).toEqual([])
  })

  test('nobody is named over a job that another process has given out: who has it may know only that one', async () => {
    node.play(silentAtNormalize)
    let open = () => {}
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    node.before(({ stage }) => (stage === 'normalize' ? gate : Promise.resolve()))
    const packets = node.seal([1])
    const first = node.start({ bounds: { job }, timing: { owedMs: 5 } })
    await until(
      async () => (await node.query('select from round_seats where acknowledged_ms > 0')).length === 1,
    )
    const stopped = first.stop()
    open()
    await stopped
    node.start({ bounds: { job }, timing: { owedMs: 5 } })
    await certifying(await packets)
    for (let passedMs = 0; passedMs < TIMEOUT_MS + FAIR_MS; passedMs += FAIR_MS / 40) {
      node.setClock(FAIR_MS / 40)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    expect(await conductAtNormalize()).toEqual(['agreed', 'unheard', 'agreed'])
    expect(await named()).toEqual([])
    expect(node.failures).toEqual([])
  })
})

describe('what is asked about', () => {
  const asked: string[][] = []
  let [nowMs, atMs] = [0, 0]
  let failing = false
  const openOwed = () =>
    openOwedAnswers({
      store: {
        async nameSilent(jobTxs) {
          if (failing) throw new Error('no database')
          asked.push([...jobTxs])
        },
      },
      fairMs: FAIR_MS,
      now: () => nowMs,
      clock: () => atMs,
    })
  const pass = (ms: number) => {
    nowMs += ms
    atMs += ms
  }
  /** Time passes, looked at all the while. */
  async function untilTime(owed: OwedAnswers, ms: number): Promise<void> {
    while (nowMs < ms) {
      pass(Math.min(FAIR_MS / 8, ms - nowMs))
      await owed.look()
    }
  }

  beforeEach(() => {
    asked.length = 0
    nowMs = 0
    atMs = 0
    failing = false
  })

  function owing(jobs = ['job']): OwedAnswers {
    const owed = openOwed()
    for (const jobTx of jobs) owed.note({ jobTx, deadlineMs: TIMEOUT_MS })
    return owed
  }

  test('is a job once its deadline has passed, and what came in time would be here', async () => {
    const owed = owing()
    await untilTime(owed, TIMEOUT_MS + FAIR_MS / 2 - 1)
    expect(asked).toEqual([])
    await untilTime(owed, TIMEOUT_MS + 2 * FAIR_MS)
    expect(asked).toEqual([['job']])
  })

  test.each<{ name: string; away: (owed: OwedAnswers) => void }>([
    { name: 'did not look for long', away: () => pass(FAIR_MS / 2 + 1) },
    { name: 'could hear nothing', away: owed => owed.interrupted() },
  ])('is none of which this process $name when little time was left', async ({ away }) => {
    for (const [leftMs, isAsked] of [
      [2 * FAIR_MS, true],
      [FAIR_MS - 1, false],
      [-1, false],
    ] as const) {
      asked.length = 0
      nowMs = 0
      const owed = owing()
      await untilTime(owed, TIMEOUT_MS - leftMs)
      away(owed)
      await untilTime(owed, TIMEOUT_MS + 3 * FAIR_MS)
      // With a whole share left at the end of it there was time to answer.
      expect([leftMs, asked]).toEqual([leftMs, isAsked ? [['job']] : []])
    }
  })

  test('is none whose deadline has come because somebody set the clock', async () => {
    const owed = owing()
    nowMs += TIMEOUT_MS
    await untilTime(owed, TIMEOUT_MS + 2 * FAIR_MS)
    expect(asked).toEqual([])
  })

  test('is asked about again where that could not be written', async () => {
    const owed = owing()
    await untilTime(owed, TIMEOUT_MS)
    pass(FAIR_MS / 2)
    failing = true
    await expect(owed.look()).rejects.toThrow('no database')
    failing = false
    await owed.look()
    await owed.look()
    expect(asked).toEqual([['job']])
  })

  test('is so many at a time, and of too many the latest', async () => {
    const owed = owing(Array.from({ length: OWED_JOBS_MAX + 2 }, (_, each) => String(each)))
    await untilTime(owed, TIMEOUT_MS + FAIR_MS / 2)
    expect(asked.map(jobs => jobs.length)).toEqual([ASKED_JOBS_MAX])
    for (let looks = 0; looks < 20; looks++) await owed.look()
    expect(asked.flat()).toEqual(Array.from({ length: OWED_JOBS_MAX }, (_, each) => String(each + 2)))
  })
})

const silentAtNormalize: Play = of => (of.stage === 'normalize' && of.seat === 1 ? undefined : honest(of))

async function certifying(packets: readonly (readonly string[])[]): Promise<void> {
  await until(async () => {
    const standings = await node.standings()
    return packets.flat().every(id => standings.get(id)?.inCertificate === true)
  })
}

async function conductAtNormalize(): Promise<(string | null)[]> {
  const rows = await node.query<{ conduct: string | null }>(
    `select seat.conduct from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
      where seat.stage = 'normalize' order by job.made_ms, seat.vout`,
  )
  return rows.map(({ conduct }) => conduct)
}

async function named() {
  return node.query(
    `select evidence.kind, evidence.stage, seat.vout from evidence
      join round_seats as seat on seat.agent_key = evidence.agent_key and seat.job_tx = evidence.txids[1]`,
  )
}
