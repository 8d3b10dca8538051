import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { until } from '../support/until.ts'
import { honest, type Play, type RoundsNode, roundsNode } from './rounds-node.ts'

/** So long that nothing here is decided by a deadline; time passes where a test sets the clock. */
const TIMEOUT_MS = 600_000
const job = { fanOut: 'quorum-first', timeoutMs: TIMEOUT_MS, satsPerKb: 100, outputBytesMax: 1e9 } as const
/** Seats 0 and 1 are asked first. */
const RESERVE = 2

let node: RoundsNode

beforeEach(async () => {
  node = await roundsNode()
}, 60_000)

afterEach(() => node.close(), 60_000)

describe('a job whose quorum is asked first', () => {
  test('never asks the one in reserve where the others agree at once', async () => {
    const packets = (await node.seal([2, 1])).flat()
    const asked = playing(honest)
    node.start({ bounds: { job } })
    await decided(packets)
    expect(asked).toEqual(new Set(stages.flatMap(stage => [`${stage} 0`, `${stage} 1`])))
    for (const stage of stages)
      expect(await seatsAt(stage)).toEqual([agreed, agreed, { conduct: 'unheard', offered: false }])
    expect(await evidence()).toEqual([])
    expect(node.failures).toEqual([])
  })

  test.each(stages)(
    'asks it as soon as they disagree at %s, goes by what it says, and keeps who dissented',
    async stage => {
      const packets = (await node.seal([1])).flat()
      const asked = playing(lying(stage, 0))
      node.start({ bounds: { job } })
      await decided(packets)
      expect(asked).toContain(`${stage} ${RESERVE}`)
      expect(await seatsAt(stage)).toEqual([{ ...agreed, conduct: 'dissenting' }, agreed, agreed])
      for (const other of stages.filter(each => each !== stage))
        expect(asked).not.toContain(`${other} ${RESERVE}`)

      const [seat] = await node.query<{ agent: string; job: string; result: string; round: string }>(
        `select encode(agent_key, 'hex') as agent, encode(job_tx, 'hex') as job,
          encode(result_tx, 'hex') as result,          encode(job.round_id, 'hex') as round
        from round_seats join round_jobs as job on job.txid = job_tx where job.stage = $1 and vout = 0`,
        [stage],
      )
      expect(await evidence()).toEqual([
        { kind: 'dissent', stage, agent: seat?.agent, round: seat?.round, txids: [seat?.job, seat?.result] },
      ])
    },
  )

  test('asks it once half of the time is over where one of them says nothing, and that is time enough', async () => {
    const packets = (await node.seal([1])).flat()
    const asked = playing(silent('normalize', 1))
    node.start({ bounds: { job } })
    await answers(1)
    expect(asked).not.toContain(`normalize ${RESERVE}`)
    node.setClock(TIMEOUT_MS / 2)
    await decided(packets)
    expect(asked).toContain(`normalize ${RESERVE}`)
    expect(await seatsAt('normalize')).toEqual([agreed, { ...agreed, conduct: 'unheard' }, agreed])
    expect(
      await node.query('select decided_ms < deadline_ms as early from round_jobs where stage = $1', [
        'normalize',
      ]),
    ).toEqual([{ early: true }])
    expect(await evidence()).toEqual([])
  })

  test('still holds it back where somebody else has taken the round over, and asks it then', async () => {
    const packets = (await node.seal([1])).flat()
    const asked = playing(silent('normalize', 1))
    const first = node.start({ bounds: { job } })
    await answers(1)
    await first.stop()
    const second = node.start({ bounds: { job } })
    await until(() => second.load().rounds === 1)
    expect(asked).not.toContain(`normalize ${RESERVE}`)
    node.setClock(TIMEOUT_MS / 2)
    await decided(packets)
    expect(asked).toContain(`normalize ${RESERVE}`)
  })
})

const agreed = { conduct: 'agreed', offered: true }

/** Notes down who is asked, as `<stage> <seat>`. */
function playing(by: Play): Set<string> {
  const asked = new Set<string>()
  node.play(of => {
    asked.add(`${of.stage} ${of.seat}`)
    return by(of)
  })
  return asked
}

function lying(stage: Stage, seat: number): Play {
  return of => {
    if (of.stage !== stage || of.seat !== seat) return honest(of)
    return honest({ ...of, packetIds: of.packetIds.map(id => `${id} otherwise`) })
  }
}

function silent(stage: Stage, seat: number): Play {
  return of => (of.stage === stage && of.seat === seat ? undefined : honest(of))
}

async function decided(packets: readonly string[]): Promise<void> {
  await until(async () => {
    const standings = await node.standings()
    return packets.every(id => standings.get(id)?.inCertificate === true)
  })
}

/** Whoever is asked first has been, and so many answers of theirs are taken down. */
async function answers(count: number): Promise<void> {
  await until(async () => {
    const [row] = await node.query<{ answers: number; waiting: number }>(
      `select count(*) filter (where answered_ms is not null)::int as answers,
          count(*) filter (where offered_ms is null and not is_reserve)::int as waiting from round_seats`,
    )
    return row?.waiting === 0 && row.answers === count
  })
}

async function seatsAt(stage: Stage) {
  return node.query(
    `select conduct, offered_ms is not null as offered from round_seats where stage = $1 order by vout`,
    [stage],
  )
}

async function evidence() {
  return node.query(
    `select kind, stage, encode(agent_key, 'hex') as agent, encode(round_id, 'hex') as round,
        array(select encode(txid, 'hex') from unnest(txids) as txid) as txids from evidence`,
  )
}
