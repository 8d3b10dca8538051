import { afterEach, beforeEach, describe, expect, onTestFailed, test } from 'vitest'
import { leaveLimits } from '../../src/core/rounds/coordinating/leave.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { until } from '../support/until.ts'
import { honest, type Play, type RoundsNode, roundsNode } from './rounds-node.ts'

let node: RoundsNode

beforeEach(async () => {
  node = await roundsNode()
}, 60_000)

afterEach(() => node.close(), 60_000)

describe('a coordinator', () => {
  test('takes sealed packets of many partitions to what is to be certified', async () => {
    const packets = (await node.seal([2, 1, 3])).flat()
    node.start()
    await ends(packets, () => 'decided')
    expect(await stages()).toEqual({ certify: 1, normalize: 1, validate: 1 })
    for (const step of ['planned', 'job-seen', 'offered', 'decided', 'advanced', 'handed-over'])
      expect(node.steps).toContain(`rounds.${step}`)
    expect(node.failures).toEqual([])
  })

  /** Agents that answer the first job one after the other, when they are let; nothing else makes the coordinator look. */
  const answersInTurn = async (timing: { readonly othersMs?: number }) => {
    await node.seal([1])
    let firstJob: string | undefined
    let allowed = 0
    node.before(async ({ job, vout }) => {
      firstJob ??= job.txid
      await until(() => vout < allowed)
    })
    const coordinator = node.start({ timing: { pollMs: 60_000, ...timing } })
    await until(() => {
      coordinator.wake('news')
      return node.steps.includes('rounds.job-seen')
    })
    return {
      async next() {
        allowed += 1
        await until(async () => (await node.query(resultsOnTheNetwork)).length === allowed)
      },
      tell: () => coordinator.answered([firstJob ?? '']),
      // One that waits for ever would keep the node from being closed.
      letAll() {
        allowed = 3
      },
    }
  }

  test('looks at answers once there are as many as can agree, where it is told of them', async () => {
    const answers = await answersInTurn({ othersMs: 60_000 })
    await answers.next()
    answers.tell()
    // Had it been worth a look, that would have begun within 5 ms.
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(node.steps).not.toContain('rounds.answered')
    await answers.next()
    answers.tell()
    await until(() => node.steps.includes('rounds.advanced'))
    answers.letAll()
  })

  test('looks soon after an answer that is too few, as another process may have heard the others', async () => {
    const answers = await answersInTurn({})
    await answers.next()
    await answers.next()
    answers.tell()
    await until(() => node.steps.includes('rounds.advanced'))
    answers.letAll()
  })

  test('takes over what another one held that is gone', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.play(() => undefined)
    const first = node.start({ bounds: { job: { ...long, timeoutMs: 60_000 } } })
    await until(async () => node.steps.includes('rounds.job-seen'))
    await first.stop()
    node.play(honest)
    await node.query(`update round_seats set state = 'queued', next_run_ms = 0`)
    node.start()
    await ends(packets, () => 'decided')
    expect(await stages()).toEqual({ certify: 1, normalize: 1, validate: 1 })
  })

  test('takes no round over before agents can find what belongs to its jobs', async () => {
    const packets = (await node.seal([1])).flat()
    node.play(() => undefined)
    const first = node.start({ bounds: { job: { ...long, timeoutMs: 60_000 } } })
    await until(async () => node.steps.includes('rounds.job-seen'))
    await first.stop()
    node.play(honest)
    await node.query(`update round_seats set state = 'queued', next_run_ms = 0`)
    node.moveTo(undefined)
    const second = node.start({ timing: { takeMs: 5, pollMs: 10 } })
    // Time to look for what nobody works on, many times.
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(second.load().rounds).toBe(0)
    expect(await stages()).toEqual({ normalize: 1 })
    node.moveTo('https://moved.example/rounds')
    await ends(packets, () => 'decided')
    expect(await stages()).toEqual({ certify: 1, normalize: 1, validate: 1 })
  })

  test('goes on at once when its clock is set back', async () => {
    const packets = (await node.seal([1])).flat()
    node.away(['north', 'east', 'south'])
    const coordinator = node.start()
    await until(() => coordinator.load().seatable?.size === 0)
    node.setClock(-3_600_000)
    node.away([])
    await ends(packets, () => 'decided')
  })

  test('decides what is due by its deadline, though nothing is heard of it', async () => {
    const packets = (await node.seal([1])).flat()
    node.play(() => undefined)
    node.start({ bounds: { job: { ...long, timeoutMs: 1_000 }, leave: { ...leaveLimits, triesMax: 1 } } })
    await until(async () => node.steps.includes('rounds.offered'))
    await node.query('alter table gitdata_jobs rename to gitdata_jobs_away')
    await until(async () => node.steps.includes('rounds.closing'))
    await node.query('alter table gitdata_jobs_away rename to gitdata_jobs')
    await ends(packets, () => 'split')
  })

  test('shares what there is with another one on the same database', async () => {
    const packets = (await node.seal(Array.from({ length: 4 }, () => 1))).flat()
    const bounds = { plan: { roundPackets: 1, roundBytes: 1e6, roundDocBytes: 1e6 }, roundsAtOnce: 2 }
    node.start({ bounds })
    node.start({ bounds })
    await ends(packets, () => 'decided')
    const held = await node.query('select round_id from rounds')
    expect(held).toHaveLength(4)
  })
})

describe('no other packet waits for', () => {
  test('a round whose agents all vanish: it ends split after its tries', async () => {
    const [lost = [], ...others] = await node.seal([1, 1, 1])
    node.play(unless(lost, () => undefined))
    node.start({ bounds: quick })
    await ends(others.flat(), () => 'decided')
    await ends(lost, () => 'split')
  })

  test('a packet that crashes every agent: halves find it, and it alone is split', async () => {
    const [bad = [], ...others] = await node.seal([1, 2, 1])
    node.play(job => (job.packetIds.some(id => bad.includes(id)) ? undefined : honest(job)))
    node.start({ bounds: quick })
    await ends([...bad, ...others.flat()], id => (bad.includes(id) ? 'split' : 'decided'))
  })

  test('a packet that honest agents answer differently, and what stands behind it goes on after it', async () => {
    const [first = [], ...others] = await node.seal([3, 1])
    const flaky = first[0] ?? ''
    node.play(job => {
      const leaves = honest(job) ?? []
      return leaves.map((leaf, i) =>
        job.packetIds[i] === flaky
          ? (honest({ ...job, packetIds: [`${flaky} ${job.operator}`] })?.[0] ?? noLeaf)
          : leaf,
      )
    })
    node.start({ bounds: quick })
    await ends(others.flat(), () => 'decided')
    await ends([flaky], () => 'split')
    await ends(first.slice(1, 2), () => 'decided')
  })
})

const resultsOnTheNetwork = `select from gitdata_jobs as listed where kind = 'result'
  and not exists (select from outbox where outbox.txid = listed.txid and target = 'network')`

const long = { fanOut: 'all', timeoutMs: 10_000, satsPerKb: 100, outputBytesMax: 1e9 } as const
const quick = {
  job: { ...long, timeoutMs: 2_500 },
  leave: { triesMax: 2, rebuildsMax: 5, decideMs: 600_000 },
}

/** These are answered so, and all others honestly. */
function unless(packets: readonly string[], play: Play): Play {
  return job => (job.packetIds.some(id => packets.includes(id)) ? play(job) : honest(job))
}

async function ends(packets: readonly string[], how: (id: string) => 'decided' | 'split') {
  let standings: Awaited<ReturnType<typeof node.standings>> = new Map()
  onTestFailed(() => {
    const stand = packets.map(id => `${id} is to be ${how(id)}: ${JSON.stringify(standings.get(id) ?? null)}`)
    process.stderr.write(`${stand.join('\n')}\n`)
  })
  await until(async () => {
    standings = await node.standings()
    return packets.every(id => {
      const standing = standings.get(id)
      return how(id) === 'split' ? standing?.status === 'split' : standing?.inCertificate === true
    })
  })
}

async function stages(): Promise<Record<string, number>> {
  const rows = await node.query<{ stage: string; jobs: number }>(
    'select stage, count(*)::integer as jobs from round_jobs group by stage order by stage',
  )
  return Object.fromEntries(rows.map(({ stage, jobs }) => [stage, jobs]))
}
