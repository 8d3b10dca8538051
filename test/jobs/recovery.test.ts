import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytea } from '../../src/adapters/postgres/sql.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { readTransaction, type Transaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { auditFuel } from '../adapters/fuel/audit-fuel.ts'
import { party, payTo, tokenSpend } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { honest, type RoundsNode, roundsNode } from './rounds-node.ts'

let node: RoundsNode

beforeEach(async () => {
  node = await roundsNode()
})

afterEach(() => node.close())

describe('a round is built again from the first transaction that is dead', () => {
  test('where an agent takes its answer back, and the next job goes with it', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.play(job => (job.stage === 'validate' ? undefined : honest(job)))
    node.start()
    node.certify()
    await until(() => isAsked('validate', 3))
    await takeBack('normalize', 'north')
    node.play(honest)
    await certified(packets)
    expect(await rebuilds()).toEqual({ normalize: [0], validate: [0, 1], certify: [1] })
    await allIsWell('north')
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
    await takeBack('certify', 'east')
    node.certify()
    await certified(packets)
    await allIsWell('east')
  })

  test('where a reorganisation drops its certificate and an answer before it: the same versions again', async () => {
    const packets = (await node.seal([1, 1])).flat()
    node.start()
    node.certify()
    await certified(packets)
    const before = await versions()
    await takeBack('validate', 'south')
    await until(async () => (await node.query(`select from certificates where state = 'dead'`)).length > 0)
    await certified(packets)
    expect(await versions()).toEqual(before)
    expect(await rebuilds()).toEqual({ normalize: [0], validate: [0], certify: [0, 1] })
    await allIsWell('south')
  })
})

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
    await node.store.noteEquivocations()
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

/** A block has another spend of that agent's seat, and none of what was built on its answer. */
async function takeBack(stage: Stage, operator: string): Promise<void> {
  const { chain } = node.fuel.bed
  const seat = await seatOf(stage, operator)
  await node.stopMiner()
  const { height } = await chain.tip()
  const status = (await chain.statusOf([seat.resultTx])).get(seat.resultTx)
  const depth = status?.kind === 'mined' ? height - status.proof.height + 1 : 1
  expect(await chain.reorganise({ depth, replaceWith: [rivalOf(seat, operator)] })).toMatchObject({
    kind: 'reorganised',
  })
  node.startMiner()
}

type SeatTaken = { readonly job: Transaction; readonly subject: string; readonly vout: number }

function rivalOf({ job, subject, vout }: SeatTaken, operator: string): Transaction {
  const agent = party(`agent ${operator}`)
  return signTransaction([tokenSpend(job, vout, 'GDJ1', subject, agent)], [payTo(agent, 50)])
}

async function seatOf(stage: Stage, operator: string): Promise<SeatTaken & { readonly resultTx: string }> {
  const [row] = await node.query<{ raw: Buffer; subject: string; vout: number; resultTx: string }>(
    `select sent.raw, encode(job.round_id, 'hex') as subject, seat.vout, encode(seat.result_tx, 'hex') as "resultTx"
      from round_seats as seat join round_jobs as job on job.txid = seat.job_tx
      join fuel_transactions as sent on sent.txid = job.txid where seat.stage = $1 and seat.agent_key = $2`,
    [stage, bytea(party(`agent ${operator}`).identityKey)],
  )
  if (row === undefined) throw new Error(`${operator} has no seat at ${stage}`)
  return { ...row, job: orThrow(readTransaction(Uint8Array.from(row.raw))) }
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
