import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { readTransaction, type Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { auditFuel } from '../adapters/fuel/audit-fuel.ts'
import { payer } from '../adapters/fuel/fuel-bed.ts'
import { p2pkhSpend, party, payTo, tokenSpend } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { honest, names, type RoundsNode, roundsNode } from './rounds-node.ts'

let node: RoundsNode

beforeEach(async () => {
  node = await roundsNode()
}, 60_000)

afterEach(() => node.close(), 60_000)

describe('a round is built again from the first transaction that is dead', () => {
  test('where an agent takes its answer back, and the next job goes with it', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.play(job => (job.stage === 'validate' ? undefined : honest(job)))
    node.start()
    node.certify()
    await until(() => isAsked('validate', 3))
    const guilty = await takeBack('normalize')
    node.play(honest)
    await certified(packets)
    expect(await rebuilds()).toEqual({ normalize: [0], validate: [0, 1], certify: [1] })
    await allIsWell(guilty)
  })

  test('where an answer never reaches the network: the others are enough', async () => {
    const packets = (await node.seal([1])).flat()
    node.before(async ({ stage, operator, ...asked }) => {
      if (stage === 'validate' && operator === 'north')
        expect(await node.fuel.bed.chain.broadcast([rivalOf(asked, operator)])).toEqual({ kind: 'accepted' })
    })
    node.start()
    node.certify()
    await certified(packets)
    expect(await rebuilds()).toEqual({ normalize: [0], validate: [0], certify: [0] })
    await allIsWell('north')
  })

  test('where the network refuses its certificate', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.start()
    await until(async () => (await node.query(`select from rounds where state = 'certifying'`)).length > 0)
    const guilty = await takeBack('certify')
    node.certify()
    await certified(packets)
    await allIsWell(guilty)
  })

  test('where a reorganisation drops its certificate and an answer before it: the same versions again', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.start()
    node.certify()
    await certified(packets)
    const before = await versions()
    const guilty = await takeBack('validate')
    await until(async () => (await node.query(`select from certificates where state = 'dead'`)).length > 0)
    await certified(packets)
    expect(await versions()).toEqual(before)
    expect(await rebuilds()).toEqual({ normalize: [0], validate: [0], certify: [0, 1] })
    await allIsWell(guilty)
  })
})

describe('a round whose first job is dead', () => {
  test('is over; its packets are certified again as they were, also where the dead certificate comes back', async () => {
    const packets = (await node.seal([1])).flat()
    node.start()
    node.certify()
    await certified(packets)
    const before = await versions()
    const [first] = await certificates()
    const rival = await fuelRival()
    const [job] = await transactionsOf(first?.round ?? '')
    await replaceWith([rival], { txid: job?.txid ?? '' })
    await until(async () => (await certificates()).length === 2)
    await certified(packets)
    expect(await versions()).toEqual(before)

    await replaceWith(await transactionsOf(first?.round ?? ''), rival)
    await until(async () => (await alive()).length === 1 && (await allOver()))
    await certified(packets)
    expect(await versions()).toEqual(before)
  })
})

describe('a decided round', () => {
  test('that cannot be certified from what is stored comes to its end, and its packets to another one', async () => {
    const packets = (await node.seal([1])).flat()
    node.loseWork(true)
    node.start({ bounds: quick })
    node.certify()
    await until(async () => (await node.query(`select from round_results where work = 'void'`)).length > 0)
    node.loseWork(false)
    await certified(packets)
    expect(await node.query(`select from evidence where kind = 'work-void'`)).toEqual([])
    await until(allOver)
  })
})

describe('a round for whose next job there are too few operators', () => {
  test('waits for them until its deadline, and no longer: its packets go on once there are enough', async () => {
    const packets = (await node.seal([2])).flat()
    node.before(async ({ stage }) => {
      if (stage === 'normalize') node.away(['north'])
    })
    node.start({ bounds: quick })
    node.certify()
    await until(allOver)
    expect(
      await node.query('select distinct status, tries, round_packets_max as size from packet_standings'),
    ).toEqual([{ status: 'sealed', tries: 0, size: null }])
    node.before(async () => undefined)
    node.away([])
    await certified(packets)
  })
})

describe('whatever fails between two effects', () => {
  test('is done again, and nothing twice', async () => {
    const failed = new Set<string>()
    const packets = (await node.seal([1, 1])).flat()
    node.play(job => (job.stage === 'validate' ? undefined : honest(job)))
    node.onStep(step => {
      if (failed.has(step)) return
      failed.add(step)
      throw new Error(`it fails at ${step}`)
    })
    node.start()
    node.certify()
    await until(() => isAsked('validate', 3))
    await takeBack('normalize')
    node.play(honest)
    await certified(packets)
    for (const step of ['opened', 'job-seen', 'advanced', 'recovered', 'handed-over'])
      expect(failed).toContain(`rounds.${step}`)
    for (const step of ['advance-written', 'recovery-written', 'hand-over-written'])
      expect(failed).toContain(`rounds.${step}`)
    for (const step of ['taken', 'kept', 'written', 'seen', 'anchored'])
      expect(failed).toContain(`certify.${step}`)
    await until(allOver)
    expect(await auditFuel(node.fuel.bed.database.pool)).toEqual([])
  })
})

const quick = {
  job: { fanOut: 'all', timeoutMs: 2_500, satsPerKb: 100, outputBytesMax: 1e9 },
  leave: { triesMax: 5, rebuildsMax: 5, decideMs: 600_000 },
} as const

async function allOver(): Promise<boolean> {
  const [row] = await node.query<{ rounds: number; open: number }>(
    `select count(*) as rounds, count(*) filter (where state <> 'over') as open from rounds`,
  )
  return row !== undefined && row.rounds > 0 && row.open === 0
}

async function certificates() {
  return node.query<{ txid: string; round: string; state: string }>(
    `select encode(txid, 'hex') as txid, encode(round_id, 'hex') as round, state from certificates order by written_ms`,
  )
}

/** Certificates that the network has and nobody has revoked. */
async function alive(): Promise<string[]> {
  const { chain } = node.fuel.bed
  const rows = await certificates()
  const statuses = await chain.statusOf(rows.map(({ txid }) => txid))
  const revoked = await node.query<{ raw: Buffer }>(
    `select raw from fuel_transactions where stage like 'revoke-%' and state <> 'dead'`,
  )
  const spent = revoked.flatMap(({ raw }) =>
    orThrow(readTransaction(Uint8Array.from(raw))).inputs.map(({ txid }) => txid),
  )
  return rows.flatMap(({ txid }) => {
    const kind = statuses.get(txid)?.kind
    return kind !== undefined && kind !== 'refused' && !spent.includes(txid) ? [txid] : []
  })
}

/** Spends what pays for the first job. */
async function fuelRival(): Promise<Transaction> {
  const [row] = await node.query<{ raw: Buffer; vout: number }>(
    `select parent.raw, coin.vout from rounds join fuel_coins as coin on coin.spent_by = rounds.first_job
      join fuel_transactions as parent on parent.txid = coin.txid limit 1`,
  )
  const parent = orThrow(readTransaction(Uint8Array.from(row?.raw ?? [])))
  return signTransaction([p2pkhSpend(parent, row?.vout ?? 0, payer)], [payTo(party('somebody'), 50)])
}

/** Everything of a round, each after what it spends. */
async function transactionsOf(roundId: string): Promise<Transaction[]> {
  const rows = await node.query<{ raw: Buffer }>(
    `select raw from fuel_transactions where subject = $1
      union select coalesce(known.raw, gone.raw) from round_results as result join round_jobs as job on job.txid = result.job_tx
        left join transactions as known on known.txid = result.txid left join evicted as gone on gone.txid = result.txid
        where job.round_id = $1`,
    [bytea(roundId)],
  )
  const left = rows.map(({ raw }) => orThrow(readTransaction(Uint8Array.from(raw))))
  const sorted: Transaction[] = []
  while (left.length > 0) {
    const at = left.findIndex(
      ({ inputs }) => !inputs.some(input => left.some(({ txid }) => txid === input.txid)),
    )
    sorted.push(...left.splice(at, 1))
  }
  return sorted
}

/** Each packet has one certificate that counts, and the network has it. */
async function certified(packets: readonly string[]): Promise<void> {
  await until(async () => {
    const rows = await node.query<{ id: string }>(
      `select encode(packet_id, 'hex') as id from certificates join fuel_transactions as sent using (txid)
        join packet_standings as standing using (packet_id)
        where certificates.state in ('anchored', 'proven') and sent.state in ('seen', 'mined')
          and standing.status = 'certified' and standing.certificate = certificates.txid`,
    )
    return rows.length === packets.length
  })
}

/** Whoever signed two things is named, no coin was spent twice, and nobody waits. */
async function allIsWell(guilty: string): Promise<void> {
  await until(async () => {
    await node.store.noteDoubleSpends()
    const rows = await node.query<{ agent: string }>(
      `select distinct encode(agent_key, 'hex') as agent from evidence where kind = 'double-spend'`,
    )
    return rows.length === 1 && rows[0]?.agent === party(`agent ${guilty}`).identityKey
  })
  await until(async () => (await node.query(`select from rounds where state <> 'over'`)).length === 0)
  expect(await auditFuel(node.fuel.bed.database.pool)).toEqual([])
  expect(node.failures).toEqual([])
}

async function isAsked(stage: Stage, seats: number): Promise<boolean> {
  const rows = await node.query('select from round_seats where stage = $1 and offered_ms is not null', [
    stage,
  ])
  return rows.length === seats
}

/**
 * A block has another spend of a seat, and none of what was built on its answer: of one that a decision stands on, as the
 * others may have been quicker than the third. Resolves with whose it was.
 */
async function takeBack(stage: Stage): Promise<string> {
  const seat = await countedSeatOf(stage)
  await replaceWith([rivalOf(seat, seat.operator)], { txid: seat.resultTx })
  return seat.operator
}

/** From the block on that has this one. */
async function replaceWith(rivals: readonly Transaction[], ours: { readonly txid: string }): Promise<void> {
  const { chain } = node.fuel.bed
  await node.stopMiner()
  const { height } = await chain.tip()
  const status = (await chain.statusOf([ours.txid])).get(ours.txid)
  const depth = status?.kind === 'mined' ? height - status.proof.height + 1 : 1
  expect(await chain.reorganise({ depth, replaceWith: rivals })).toMatchObject({ kind: 'reorganised' })
  node.startMiner()
}

type SeatTaken = { readonly job: Transaction; readonly subject: string; readonly vout: number }

function rivalOf({ job, subject, vout }: SeatTaken, operator: string): Transaction {
  const agent = party(`agent ${operator}`)
  return signTransaction([tokenSpend(job, vout, 'GDJ1', subject, agent)], [payTo(agent, 50)])
}

type CountedSeat = SeatTaken & { readonly resultTx: string; readonly operator: string }

async function countedSeatOf(stage: Stage): Promise<CountedSeat> {
  const [row] = await node.query<Omit<CountedSeat, 'job' | 'operator'> & { raw: Buffer; agent: string }>(
    `select sent.raw, encode(job.round_id, 'hex') as subject, seat.vout, encode(seat.result_tx, 'hex') as "resultTx",
        encode(seat.agent_key, 'hex') as agent
      from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
      join fuel_transactions as sent on sent.txid = job.txid
      where seat.stage = $1 and seat.conduct = 'agreed' order by seat.vout desc limit 1`,
    [stage],
  )
  if (row === undefined) throw new Error(`nothing is decided at ${stage}`)
  const operator = names.find(name => party(`agent ${name}`).identityKey === row.agent)
  if (operator === undefined) throw new Error(`${row.agent} is none of ${names}`)
  return { ...row, operator, job: orThrow(readTransaction(Uint8Array.from(row.raw))) }
}

async function versions() {
  return node.query<{ packet: string; version: string }>(
    `select encode(packet_id, 'hex') as packet, encode(version_id, 'hex') as version from packet_standings order by 1`,
  )
}

/** Of each stage, the numbers of its jobs. */
async function rebuilds(): Promise<Record<string, number[]>> {
  const rows = await node.query<{ stage: string; numbers: number[] }>(
    'select stage, array_agg(rebuild order by rebuild) as numbers from round_jobs group by stage',
  )
  return Object.fromEntries(rows.map(({ stage, numbers }) => [stage, numbers]))
}
