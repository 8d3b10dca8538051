import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOwedAnswers } from '../../src/jobs/owed-answers.ts'
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
    node.start({ bounds: { job } })
    await certifying(await node.seal([1]))
    expect(await conductAtNormalize()).toEqual(['agreed', 'unheard', 'agreed'])
    expect(await named()).toEqual([])
    node.setClock(TIMEOUT_MS + FAIR_MS * 0.75)
    const evidence = await until(async () => {
      const found = await named()
      return found.length > 0 && found
    })
    expect(evidence).toEqual([{ kind: 'silent', stage: 'normalize', vout: 1 }])
    expect(await conductAtNormalize()).toEqual(['agreed', 'silent', 'agreed'])
    expect(node.failures).toEqual([])
  })
})

describe('what is asked about', () => {
  const asked: string[][] = []
  let nowMs = 0
  const openOwed = () =>
    openOwedAnswers({
      store: { noteSilent: async jobTxs => void asked.push([...jobTxs]) },
      fairMs: FAIR_MS,
      now: () => nowMs,
    })

  beforeEach(() => {
    asked.length = 0
    nowMs = 0
  })

  test.each([
    { name: 'not while what came in time may be on its way', afterMs: FAIR_MS / 2 - 1, jobs: [] },
    { name: 'once it would be here', afterMs: FAIR_MS / 2, jobs: [['job']] },
    { name: 'as long as this process would have seen it', afterMs: FAIR_MS, jobs: [['job']] },
    { name: 'never after that', afterMs: FAIR_MS + 1, jobs: [] },
  ])('is a job $name', async ({ afterMs, jobs }) => {
    const owed = openOwed()
    owed.note({ jobTx: 'job', deadlineMs: TIMEOUT_MS })
    nowMs = TIMEOUT_MS + afterMs
    await owed.look()
    expect(asked).toEqual(jobs)
    nowMs = TIMEOUT_MS + FAIR_MS
    await owed.look()
    expect(asked.flat()).toHaveLength(afterMs > FAIR_MS ? 0 : 1)
  })

  test('is so many at a time, and of too many the latest', async () => {
    const owed = openOwed()
    for (let each = 0; each < 4096 + 2; each++) owed.note({ jobTx: String(each), deadlineMs: TIMEOUT_MS })
    nowMs = TIMEOUT_MS + FAIR_MS
    await owed.look()
    expect(asked.map(jobs => jobs.length)).toEqual([256])
    for (let looks = 0; looks < 20; looks++) await owed.look()
    expect(asked.flat()).toEqual(Array.from({ length: 4096 }, (_, each) => String(each + 2)))
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
