import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFindRoundOfJob, openReadRoundWork } from '../../../src/adapters/reading/round-work.ts'
import { anybody } from '../../../src/core/registry/may-read.ts'
import { shownRound } from '../../../src/serve/shown-round.ts'
import { type TracedRound, tracedRound } from '../../support/traced-round.ts'

let round: TracedRound
const aggregateId = 'ab'.repeat(32)
beforeAll(async () => {
  round = await tracedRound()
  const { pool } = round.bed.bed.database
  await pool.query(
    `insert into rounds (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state, made_ms)
      select decode($1, 'hex'), 'aggregate', level, audience, 1, '{}', input_hash, roster_digest, 'open', 5 from rounds`,
    [aggregateId],
  )
  await pool.query(
    `insert into aggregates (aggregate_id, kind, partition_id, first_packet, last_packet, from_ms, to_ms, parents, gaps,
        document, roster_digest, state, made_ms)
      select decode($1, 'hex'), 'window', id, 0, 1, 1, 2, '{}', '{}', '{}', decode($1, 'hex'), 'open', 5 from partitions`,
    [aggregateId],
  )
}, 60_000)
afterAll(() => round.end())

const read = (id: string) => openReadRoundWork(round.bed.bed.database.pool)(id)

describe('what is on record of a round', () => {
  test('of packets has each of them, every job in order, and every result with its leaves', async () => {
    const work = await read(round.decided.roundId)
    expect(work?.coordinator).toBe(round.decided.log.identityKey)
    expect(work?.members.map(({ packetId }) => packetId)).toEqual(
      round.packets.map(({ packetId }) => packetId),
    )
    expect(new Set(work?.jobs.map(({ stage }) => stage))).toEqual(
      new Set(['normalize', 'validate', 'certify']),
    )
    const leaves = work?.jobs.find(({ stage }) => stage === 'certify')?.seats[0]?.results[0]?.leaves
    expect(leaves).toBe(round.packets.map(({ certified }) => certified.versionId).join(''))
    const job = work?.jobs[0]?.txid ?? ''
    const find = openFindRoundOfJob(round.bed.bed.database.pool)
    expect([await find(job), await find('cd'.repeat(32))]).toEqual([round.decided.roundId, undefined])
  })

  test('of an aggregate has the range that it is about, for whoever may read its stream', async () => {
    const work = await read(aggregateId)
    if (work === undefined) throw new Error('there is a round')
    expect(shownRound(work, anybody)).toMatchObject({
      template: 'aggregate',
      coordinator: round.decided.log.identityKey,
      packets: 1,
      members: [{ index: 0, packetId: aggregateId, firstPacket: 0, lastPacket: 1, events: null }],
    })
    await round.query("update streams set tenant_id = 'acme'")
    const hidden = await read(aggregateId)
    expect(hidden && shownRound(hidden, anybody)).toBeUndefined()
    expect(hidden && shownRound(hidden, { tenantIds: ['acme'] })).toBeDefined()
  })

  test('is nothing where there is none', async () => {
    expect(await read('cd'.repeat(32))).toBeUndefined()
  })
})
