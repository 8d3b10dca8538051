import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { takeDueSeats } from '../../../src/adapters/agents/due-seats.ts'
import { readUnsealed } from '../../../src/adapters/log/unsealed.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { writeTerms } from '../../../src/adapters/rounds/conduct.ts'
import { explainPacket } from '../../../src/adapters/rounds/read-jobs.ts'
import { writeBeef } from '../../../src/contract/beef.ts'
import { resultTransaction } from '../../../src/contract/pipeline-outputs.ts'
import { leaveLimits } from '../../../src/core/rounds/coordinating/leave.ts'
import { recoverRound } from '../../../src/core/rounds/coordinating/recover.ts'
import { endOfThread } from '../../../src/core/rounds/coordinating/thread.ts'
import { followRound } from '../../../src/jobs/follow-round.ts'
import type { HeldRound } from '../../../src/jobs/ports.ts'
import { openNodeJobs } from '../../../src/node/node-jobs.ts'
import { blamedUnasked } from '../../support/blamed-unasked.ts'
import { party } from '../../support/pipeline.ts'
import { PrivateChain } from '../../support/private-chain.ts'
import { until } from '../../support/until.ts'
import {
  agentAt,
  coordinator,
  decidedAs,
  jobOf,
  leaf,
  NOW_MS,
  type RoundsBed,
  roundsBed,
  type Store,
} from './rounds-bed.ts'

let bed: RoundsBed
let store: Store

beforeEach(async () => {
  bed = await roundsBed()
  store = bed.store()
})

afterEach(() => bed.end())

describe('a round', () => {
  test('goes from sealed packets to its certificate, each step in one commit', async () => {
    let round = await openOne()
    expect(round.packets.map(({ status, rounds }) => [status, rounds])).toEqual([
      ['open', 1],
      ['open', 1],
    ])
    for (const state of ['normalized', 'validated']) {
      round = await answered(round)
      const decision = bed.decide(round, newsLike(round))
      const decided = decidedAs('advance', round, decision)
      const written = await store.advance(round.lease, decided, bed.next(round, decided.decision))
      expect(written.kind).toBe('written')
      expect(await states()).toEqual([state, state])
      round = await takenOver(round)
    }
    round = await answered(round)
    const decided = decidedAs('certify', round, bed.decide(round, newsLike(round)))
    expect(await store.certify(round.lease, decided)).toBe('written')

    expect(await bed.query('select state, coordinator, lease_until_ms, in_flight from rounds')).toEqual([
      { state: 'certifying', coordinator: null, lease_until_ms: 0, in_flight: false },
    ])
    expect(await bed.query('select stage, outcome from round_jobs order by made_ms, stage desc')).toEqual(
      expect.arrayContaining([
        { stage: 'normalize', outcome: 'advanced' },
        { stage: 'validate', outcome: 'advanced' },
        { stage: 'certify', outcome: 'certified' },
      ]),
    )
    expect(await bed.query('select count(*) as n from outcomes where is_agreed')).toEqual([{ n: 18 }])
    expect(await bed.query('select distinct state, conduct from round_seats')).toEqual([
      { state: 'completed', conduct: 'agreed' },
    ])
    expect(await store.take(10)).toEqual([])
  })
})

describe('sealing', () => {
  beforeEach(async () => {
    await bed.query(`insert into partition_heads (partition_id, next_packet, next_seq, unsealed_since_ms)
      select partition_id, max(packet_no) + 1, max(first_seq + count) + 1, 1 from packets group by partition_id
      on conflict (partition_id) do update set unsealed_since_ms = 1`)
  })

  test('is told of partitions that rounds work on, until their last stage', async () => {
    expect(await behind()).toEqual([false])
    let round = await openOne()
    for (const _ of ['normalize', 'validate']) {
      expect(await behind()).toEqual([true])
      round = await answered(round)
      const decided = decidedAs('advance', round, bed.decide(round, newsLike(round)))
      await store.advance(round.lease, decided, bed.next(round, decided.decision))
      round = await takenOver(round)
    }
    expect(await behind()).toEqual([false])
  })

  test('is not told of those whose round makes up for something, or makes it anew', async () => {
    await openOne()
    expect(await behind()).toEqual([true])
    const versioned = `version_id = sha256(packet_id)`
    await bed.query(`update packet_standings set status = 'certified', ${versioned} where packet_no = 1`)
    expect(await behind()).toEqual([false])
    await bed.query(`update packet_standings set status = 'rebuilding', ${versioned}`)
    expect(await behind()).toEqual([false])
  })

  async function behind(): Promise<boolean[]> {
    const { heads } = await readUnsealed(bed.fuelBed.bed.database.pool, 'a sealer')
    return heads.map(({ isBehind }) => isBehind)
  }
})

describe('what is written about a round', () => {
  test('is refused once somebody else has taken it', async () => {
    const round = await answered(await openOne())
    const decided = decidedAs('advance', round, bed.decide(round, newsLike(round)))
    await takenOver(round)
    const before = await everything()
    expect(await store.advance(round.lease, decided, bed.next(round, decided.decision))).toEqual({
      kind: 'lost',
    })
    expect(await store.jobSeen(round.lease, jobOf(round).sent.txid, 1)).toBe('lost')
    expect(await store.close(round.lease, undefined, bed.close(round))).toEqual({ kind: 'lost' })
    expect(await store.keep([round.lease])).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('is all there or not at all, wherever the writer dies', async () => {
    let at: string | undefined
    const dying = bed.store({
      at(step) {
        if (step === at) throw new Error(`dies at ${step}`)
      },
    })
    for (at of ['rounds.standing', 'rounds.opened']) {
      const before = await everything()
      await expect(bed.plan(dying)).rejects.toThrow(at)
      expect(await everything()).toEqual(before)
    }
    const round = await answered(await openOne())
    const decided = decidedAs('advance', round, bed.decide(round, newsLike(round)))
    for (at of ['rounds.decision-written', 'rounds.advance-written']) {
      const before = await everything()
      await expect(dying.advance(round.lease, decided, bed.next(round, decided.decision))).rejects.toThrow(at)
      expect(await everything()).toEqual(before)
    }
    at = undefined
    expect((await dying.advance(round.lease, decided, bed.next(round, decided.decision))).kind).toBe(
      'written',
    )
  })
})

describe('a step that takes long', () => {
  test('keeps no other round of its node from being kept, and is not lost itself', async () => {
    const rounds = await openEach()
    const [slow, other] = rounds
    if (slow === undefined || other === undefined) throw new Error('two rounds were to be opened')
    const client = await bed.fuelBed.bed.database.pool.connect()
    await client.query('begin')
    await client.query('select from rounds where round_id = $1 for update', [bytea(slow.lease.roundId)])
    await bed.query('update rounds set lease_until_ms = 0 where round_id = $1', [bytea(other.lease.roundId)])
    const kept = await store.keep(rounds.map(({ lease }) => lease))
    expect(kept.map(({ roundId }) => roundId).sort()).toEqual(rounds.map(({ lease }) => lease.roundId).sort())
    expect(await bed.store().take(10)).toEqual([])
    await client.query('rollback')
    client.release()
  })

  test('leaves its round with a lease that has not run out', async () => {
    const leaseMs = 1
    const brief = bed.store({
      leaseMs,
      at: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20 * leaseMs),
    })
    const planned = await bed.plan(brief)
    const [opened] = planned.kind === 'planned' ? planned.opened : []
    if (opened === undefined) throw new Error('nothing was opened')
    const round = await answered(opened)
    const before = await leaseEnd()
    const decided = decidedAs('advance', round, bed.decide(round, newsLike(round)))
    expect((await brief.advance(round.lease, decided, bed.next(round, decided.decision))).kind).toBe(
      'written',
    )
    expect(await leaseEnd()).toBeGreaterThan(before)
  })
})

describe('planning', () => {
  test('is done by one at a time, and the other one turns to its other work', async () => {
    const client = await bed.fuelBed.bed.database.pool.connect()
    await client.query('begin')
    await client.query('select from round_planning for update')
    expect(await bed.plan(store)).toEqual({ kind: 'busy' })
    await client.query('rollback')
    client.release()
    expect((await openOne()).packets).toHaveLength(2)
    expect(await bed.plan(bed.store())).toEqual({ kind: 'planned', opened: [] })
  })
})

describe('news of a round', () => {
  test('are told in full to whoever has taken it again, also in the process that had it', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    expect((await bed.newsOf(store, round))?.last).toBeDefined()
    expect(await bed.newsOf(store, round)).toBe(undefined)
    const again = await takenOver(round)
    expect((await bed.newsOf(store, again))?.last).toBeDefined()
    expect(await bed.newsOf(store, again)).toBe(undefined)
  })
})

describe('an answer', () => {
  test('counts for nothing until the network has it', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    const leaves = [leaf('0'), leaf('1')]
    expect((await bed.newsOf(store, round))?.results).toEqual([])
    const { txid } = await bed.answer(round, 0, leaves, { isDelivered: false })
    expect(await bed.newsOf(store, round)).toBe(undefined)
    await bed.query('delete from outbox where txid = $1', [bytea(txid)])
    expect((await bed.newsOf(store, round))?.results.map(each => each.txid)).toEqual([txid])
    expect(await bed.newsOf(store, round)).toBe(undefined)
  })

  test('has taken as long as it was under way, however much later it is looked at', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    const offeredMs = bed.clock.ms
    await bed.query('update round_seats set offered_ms = $1', [offeredMs])
    for (const [seat, tookMs] of [120, 700].entries()) {
      bed.clock.ms = offeredMs + tookMs
      await bed.answer(round, seat, [leaf('0'), leaf('1')])
    }
    bed.clock.ms = offeredMs + 5_000
    await bed.newsOf(store, round)
    const took = [{ took: 120 }, { took: 700 }]
    expect(
      await bed.query(`select (answered_ms - ${offeredMs})::integer as took from round_seats
        where answered_ms is not null order by vout`),
    ).toEqual(took)
    expect(
      await bed.query(`select (arrived_ms - ${offeredMs})::integer as took from round_results order by vout`),
    ).toEqual(took)
    expect(await bed.query('select latency_ms::integer as took from agent_records order by 1')).toEqual(took)
  })

  test('has taken as long as its job was there, where it is not noted yet that its agent was asked', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    bed.clock.ms = NOW_MS + 120
    await bed.answer(round, 0, [leaf('0'), leaf('1')])
    await bed.newsOf(store, round)
    expect(await bed.query('select latency_ms::integer as took from agent_records')).toEqual([{ took: 120 }])
  })

  test('without the work that it votes for is kept, and is no answer', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.answer(round, 0, [leaf('0'), leaf('1')], { work: 'void' })
    expect((await bed.newsOf(store, round))?.results).toEqual([])
    expect(await bed.query('select work, void_why from round_results')).toEqual([
      { work: 'void', void_why: 'it is not there' },
    ])
    expect(await bed.query('select kind, detail from evidence')).toEqual([
      { kind: 'work-void', detail: { why: 'it is not there' } },
    ])
  })
})

describe('an answer that comes when two others have decided its job', () => {
  async function decidedByTwo(third: string): Promise<HeldRound> {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1]) await bed.answer(round, seat, [leaf('0'), leaf('1')])
    const news = await bed.newsOf(store, round)
    const heard = { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
    const decided = decidedAs('advance', heard, bed.decide(heard, news))
    await store.advance(heard.lease, decided, bed.next(heard, decided.decision))
    await bed.answer(round, 2, [leaf('0'), leaf(third)])
    return round
  }
  const terms = () => bed.query('select agreed, dissenting, late, silent from agent_records order by agreed')
  const agreed = { agreed: 1, dissenting: 0, late: 0, silent: 0 }

  test('is taken down, and nothing is held against an agent that says the same before the deadline', async () => {
    const round = await decidedByTwo('1')
    await store.news([round.lease])
    expect(await bed.query('select work, is_late from round_results order by vout')).toEqual(
      Array.from({ length: 3 }, () => ({ work: 'held', is_late: false })),
    )
    expect(await bed.query('select kind from evidence')).toEqual([])
    expect(await terms()).toEqual([{ ...agreed, agreed: 0 }, agreed, agreed])
  })

  test('is late only after the deadline', async () => {
    const round = await decidedByTwo('1')
    await bed.query('update gitdata_jobs set admitted_ms = deadline_ms + 1 where job_vout = 2')
    await store.news([round.lease])
    expect(await bed.query('select kind from evidence')).toEqual([{ kind: 'late' }])
    expect(await terms()).toEqual([{ ...agreed, agreed: 0, late: 1 }, agreed, agreed])
  })

  test.each(['while the round goes on', 'once it is over'])('is dissent where it differs: %s', async when => {
    const round = await decidedByTwo('something else')
    if (when === 'once it is over') await bed.query(`update rounds set state = 'over', in_flight = false`)
    for (let looks = 0; looks < 2; looks++) {
      await store.news([round.lease])
      await store.takeStragglers()
    }
    expect(await bed.query('select kind from evidence')).toEqual([{ kind: 'dissent' }])
    expect(await terms()).toEqual([{ ...agreed, agreed: 0, dissenting: 1 }, agreed, agreed])
    expect(await bed.query('select failure_points from operators order by 1')).toEqual(
      [0, 0, 10].map(failure_points => ({ failure_points })),
    )
  })
})

describe('answers to rounds that are over', () => {
  test('are all taken down at one look, however many there are', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.answer(round, 0, [leaf('0'), leaf('1')])
    await bed.query(`update rounds set state = 'over', in_flight = false`)
    await bed.query(`insert into gitdata_jobs select (listed.each).* from (
        select jsonb_populate_record(known, jsonb_build_object('txid', '\\x' || encode(sha256(n::text::bytea), 'hex'))) as each
          from gitdata_jobs as known cross join generate_series(1, 250) as n where known.kind = 'result') as listed`)
    await store.takeStragglers()
    expect(await bed.query('select count(*) as n from round_results')).toEqual([{ n: 251 }])
  })
})

describe('a seat that is answered twice', () => {
  /** Two answers to this seat: one is here, the other was refused for it. */
  async function answeredTwice(round: HeldRound, seat: number, seenMs: number): Promise<void> {
    const { stage, transaction, sent } = jobOf(round)
    const first = await bed.answer(round, seat, [leaf('0'), leaf('1')])
    const said = {
      status: 'completed' as const,
      leaves: [leaf('2'), leaf('3')],
      evidenceHash: leaf('evidence'),
    }
    const other = resultTransaction(agentAt(stage, seat), sent.role.facts, transaction, seat, {
      ...said,
      workHash: leaf('work'),
    })
    const [proof] = new PrivateChain().mine([other])
    if (proof === undefined) throw new Error('a block has a path to what is in it')
    await keptAgainst(other.txid, first.txid, seenMs, writeBeef([{ ...other, proof }]))
  }
  const keptAgainst = (txid: string, against: string, seenMs: number, beef: Uint8Array) =>
    bed.query(
      `insert into double_spends (txid, spender_key, against, beef, topics, seen_ms) values ($1, $1, $2, $3, '{}', $4)`,
      [bytea(txid), bytea(against), Buffer.from(beef), seenMs],
    )
  const named = () => bed.query('select kind, detail from evidence order by detail')
  const nameOf = (round: HeldRound, seat: number) => ({
    kind: 'seat-answered-twice',
    detail: { seat: `${jobOf(round).sent.txid}.${seat}` },
  })

  test('names its agent once, also where that is there only after a later one was looked at', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.query(`insert into operators (operator, first_ms, changed_ms)
      select operator, 0, 0 from round_seats where vout < 2`)
    await answeredTwice(round, 0, NOW_MS)
    await store.noteDoubleSpends()
    expect(await named()).toEqual([nameOf(round, 0)])
    bed.clock.ms = NOW_MS + 10_000
    await answeredTwice(round, 1, NOW_MS - 20_000)
    for (let looks = 0; looks < 2; looks++) await store.noteDoubleSpends()
    expect(await named()).toEqual([nameOf(round, 0), nameOf(round, 1)])
    // What is known of the other answer does not make a second deed of it.
    await bed.query('delete from gitdata_jobs')
    await store.noteDoubleSpends()
    expect(await named()).toHaveLength(2)
    expect(await bed.query('select double_spends as count from operators order by 1')).toEqual([
      { count: 1 },
      { count: 1 },
    ])
  })

  test('names its agent however many others were seen in the same moment', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (let n = 0; n < 450; n++)
      await keptAgainst(n.toString(16).padStart(64, '0'), 'ff'.repeat(32), NOW_MS, new Uint8Array(1))
    await answeredTwice(round, 0, NOW_MS)
    await store.noteDoubleSpends()
    expect(await named()).toEqual([nameOf(round, 0)])
  })
})

describe('a deadline that passes without answers', () => {
  const TIMEOUT_MS = 10_000
  /** Looks at the round so long after its deadline, and closes it. */
  async function conductAt(round: HeldRound, lateMs = 0): Promise<string[]> {
    bed.clock.ms = jobOf(round).deadlineMs + lateMs
    const news = await bed.newsOf(store, round)
    const job = { ...jobOf(round), seenMs: NOW_MS, results: news?.results ?? [] }
    const seen = { last: 'seen', threadUnspent: true } as const
    await followRound({ ...round, inFlight: false, job }, seen, {
      store,
      directory: { agents: () => [], operators: () => [] },
      log: coordinator,
      locations: () => [],
      bounds: {
        seats: { strategy: 'reputation', reputationMin: 0, priceMax: undefined, regions: [], operators: [] },
        leave: leaveLimits,
        job: { fanOut: 'all', timeoutMs: TIMEOUT_MS, satsPerKb: 1, outputBytesMax: 1 },
      },
      now: () => bed.clock.ms,
      at: () => undefined,
      onRound: () => undefined,
      onUnheard: () => undefined,
    })
    const rows = await bed.query<{ conduct: string }>('select conduct from round_seats order by vout')
    return rows.map(({ conduct }) => conduct)
  }
  const offered = (vout: number, atMs: number) =>
    bed.query('update round_seats set offered_ms = $2 where vout = $1', [vout, atMs])

  test('is held against those alone that were asked while there was time', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    await offered(0, NOW_MS)
    await offered(1, NOW_MS + TIMEOUT_MS - 1)
    expect(await conductAt(round)).toEqual(['silent', 'unheard', 'unheard'])
    expect(await bed.query('select kind from evidence')).toEqual([{ kind: 'silent' }])
    expect(await bed.query('select failure_points from operators order by 1')).toEqual(
      [0, 0, 10].map(failure_points => ({ failure_points })),
    )
    const { pool } = bed.fuelBed.bed.database
    expect(await blamedUnasked(pool)).toEqual([])
    await offered(0, NOW_MS + TIMEOUT_MS)
    expect(await blamedUnasked(pool)).toEqual([expect.stringContaining('asked after its deadline')])
    await bed.query('update round_seats set offered_ms = null')
    expect(await blamedUnasked(pool)).toEqual([expect.stringContaining('and was not asked')])
  })

  test('is held against nobody where whoever was about to ask has gone', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    const { pool } = bed.fuelBed.bed.database
    expect(await takeDueSeats(pool, { held: 'nowhere', limit: 10, nowMs: NOW_MS })).toHaveLength(3)
    expect(await conductAt(round)).toEqual(['unheard', 'unheard', 'unheard'])
    expect(await bed.query('select kind from evidence')).toEqual([])
  })

  test('is held against nobody where this node was not there', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1, 2]) await offered(seat, NOW_MS)
    expect(await conductAt(round, TIMEOUT_MS)).toEqual(['unheard', 'unheard', 'unheard'])
    expect(await bed.query('select kind from evidence')).toEqual([])
  })

  test('is not held against those whose answers this node has not delivered, cannot read or has given up', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1, 2]) await offered(seat, NOW_MS)
    const leaves = [leaf('0'), leaf('1')]
    await bed.answer(round, 0, leaves, { isDelivered: false })
    await bed.answer(round, 1, leaves, { work: 'unreadable' })
    const { txid } = await bed.answer(round, 2, leaves)
    await bed.newsOf(store, round)
    await bed.query(`update round_results set work = 'void', void_why = 'given up' where txid = $1`, [
      bytea(txid),
    ])
    await bed.query(
      `insert into uhrp_objects (sha256, length, state, checked_ms) values (sha256('work'), 4, 'held', 0)`,
    )
    await bed.query(
      `insert into uhrp_retentions (sha256, holder, audience, readers, content_type, retain_until_ms, stored_ms)
        values (sha256('work'), $1, 'restricted', '{}', '', 0, 0)`,
      [`seat ${jobOf(round).sent.txid}.1`],
    )
    expect(await conductAt(round)).toEqual(['unheard', 'unheard', 'unheard'])
  })

  /** The conduct of three agents that were asked at this stage and level, where nobody has what the packets build on. */
  async function conductWithoutState(stage: string, level: string) {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1, 2]) await offered(seat, NOW_MS)
    await bed.query('update round_jobs set stage = $1, level = $2', [stage, level])
    await bed.query(`update rounds set document =
      jsonb_set(document::jsonb, '{partitions,0,stateIn}', to_jsonb(encode(sha256('state'), 'hex')))::text`)
    return conductAt(round)
  }

  test.each([
    ['validate', 'enhanced'],
    ['certify', 'critical'],
  ])(
    'is held against nobody where the state is gone that the job builds on: at %s of level %s',
    async (stage, level) => {
      expect(await conductWithoutState(stage, level)).toEqual(['unheard', 'unheard', 'unheard'])
      expect(await bed.query('select kind from evidence')).toEqual([])
    },
  )

  test.each([
    ['normalize', 'critical'],
    ['certify', 'enhanced'],
  ])('is held against those that need no state: at %s of level %s', async (stage, level) => {
    expect(await conductWithoutState(stage, level)).toEqual(['silent', 'silent', 'silent'])
    expect(await bed.query('select kind from evidence')).toHaveLength(3)
  })

  test('is held against those that had the state that the job builds on', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1, 2]) await offered(seat, NOW_MS)
    await bed.query(`update round_jobs set stage = 'validate'`)
    await bed.query(`update rounds set document =
      jsonb_set(document::jsonb, '{partitions,0,stateIn}', to_jsonb(encode(sha256('state'), 'hex')))::text`)
    await bed.query(`insert into kept_states (state, partition_id, packet_no, bytes, kept_ms)
      select sha256('state'), partition_id, 0, 5, 0 from packet_standings where packet_no = 0`)
    await held('state', NOW_MS + 60_000)
    expect(await conductAt(round)).toEqual(['silent', 'silent', 'silent'])
  })

  test('is held against those that have stored nothing, or what they did not vote for', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1, 2]) await offered(seat, NOW_MS)
    const leaves = [leaf('0'), leaf('1')]
    await bed.answer(round, 0, leaves, { work: 'missing' })
    await bed.answer(round, 1, leaves, { work: 'void' })
    expect(await conductAt(round)).toEqual(['silent', 'silent', 'silent'])
  })
})

describe('a job that was decided before everybody had answered', () => {
  const FAIR_MS = 2_500
  /** Seats 0 and 1 have agreed at once; resolves with the job, once its deadline has passed. */
  async function decidedByTwo(
    third: (round: HeldRound) => Promise<unknown>,
    before: () => Promise<unknown> = async () => undefined,
  ): Promise<string> {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.query(
      `update round_seats set offered_ms = $1, acknowledged_ms = $1, state = 'running' where job_tx = $2`,
      [NOW_MS, bytea(jobOf(round).sent.txid)],
    )
    await before()
    for (const seat of [0, 1]) await bed.answer(round, seat, [leaf('0'), leaf('1')])
    const news = await bed.newsOf(store, round)
    const heard = { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
    const decided = decidedAs('advance', heard, bed.decide(heard, news))
    const written = await store.advance(heard.lease, decided, bed.next(heard, decided.decision))
    expect(written.kind).toBe('written')
    await third(heard)
    bed.clock.ms = jobOf(round).deadlineMs
    return jobOf(round).sent.txid
  }
  const conduct = (jobTx: string) =>
    bed.query('select vout, conduct from round_seats where job_tx = $1 order by vout', [bytea(jobTx)])
  const unheard = [
    { vout: 0, conduct: 'agreed' },
    { vout: 1, conduct: 'agreed' },
    { vout: 2, conduct: 'unheard' },
  ]

  test('names who had taken its seat and has said nothing, once, and it is asked last', async () => {
    const jobTx = await decidedByTwo(async () => undefined)
    expect(await conduct(jobTx)).toEqual(unheard)
    for (let looks = 0; looks < 2; looks++) await store.nameSilent([jobTx], FAIR_MS, bed.clock.ms)
    expect(await conduct(jobTx)).toEqual([...unheard.slice(0, 2), { vout: 2, conduct: 'silent' }])
    expect(
      await bed.query(
        `select kind, encode(agent_key, 'hex') as agent, encode(txids[1], 'hex') as job from evidence`,
      ),
    ).toEqual([{ kind: 'silent', agent: agentAt('normalize', 2).identityKey, job: jobTx }])
    expect(await bed.query('select agreed, silent from agent_records order by 1')).toEqual([
      { agreed: 0, silent: 1 },
      { agreed: 1, silent: 0 },
      { agreed: 1, silent: 0 },
    ])
    expect(await bed.query('select failure_points from operators order by 1')).toEqual(
      [0, 0, 10].map(failure_points => ({ failure_points })),
    )
  })

  test.each<{ name: string; third: (round: HeldRound) => Promise<unknown> }>([
    {
      name: 'who has answered since',
      third: round => bed.answer(round, 2, [leaf('0'), leaf('1')]),
    },
    {
      name: 'who has answered, and the network does not have it yet',
      third: round => bed.answer(round, 2, [leaf('0'), leaf('1')], { isDelivered: false }),
    },
    {
      name: 'who has not taken its seat',
      third: () => bed.query(`update round_seats set acknowledged_ms = null where vout = 2`),
    },
    {
      name: 'who has taken its seat when little time was left',
      third: round =>
        bed.query(`update round_seats set acknowledged_ms = $1 where vout = 2`, [
          jobOf(round).deadlineMs - FAIR_MS + 1,
        ]),
    },
    {
      name: 'whose job is dead',
      third: round =>
        bed.query(`update round_jobs set outcome = 'dead' where txid = $1`, [bytea(jobOf(round).sent.txid)]),
    },
    {
      name: 'whose job waits for answers again',
      third: round =>
        bed.query(`update round_jobs set deadline_ms = deadline_ms + 1 where txid = $1`, [
          bytea(jobOf(round).sent.txid),
        ]),
    },
  ])('does not name $name', async ({ third }) => {
    const jobTx = await decidedByTwo(third)
    await store.nameSilent([jobTx], FAIR_MS, bed.clock.ms)
    expect(await conduct(jobTx)).toEqual(unheard)
    expect(await bed.query('select kind from evidence')).toEqual([])
  })

  test('says why a seat was not taken, where that is known', async () => {
    const why = () => bed.query('select last_error from round_seats where vout = 2 order by made_ms limit 1')
    await decidedByTwo(
      async () => undefined,
      () =>
        bed.query(`update round_seats set last_error = 'no STEAK', acknowledged_ms = null where vout = 2`),
    )
    expect(await why()).toEqual([{ last_error: 'no STEAK' }])
  })

  test('counts each job in which an operator was silent', async () => {
    const jobTx = await decidedByTwo(async () => undefined)
    const again = await bed.query<{ txid: string }>(
      `with copied as (insert into round_jobs select (jsonb_populate_record(job, jsonb_build_object('txid', '\\x' || repeat('ab', 32),
          'rebuild', 7))).* from round_jobs as job where txid = $1 returning txid),
        sent as (insert into fuel_transactions select (jsonb_populate_record(sent, jsonb_build_object('txid', '\\x' || repeat('ab', 32),
          'rebuild', 7))).*
          from fuel_transactions as sent where txid = $1)
        select encode(txid, 'hex') as txid from copied`,
      [bytea(jobTx)],
    )
    const copy = again[0]?.txid ?? ''
    await bed.query(
      `insert into round_seats select (jsonb_populate_record(seat, jsonb_build_object('job_tx', '\\x' || $2::text))).*
        from round_seats as seat where job_tx = $1`,
      [bytea(jobTx), copy],
    )
    await store.nameSilent([jobTx, copy], FAIR_MS, bed.clock.ms)
    expect(await bed.query('select failure_points from operators order by 1 desc limit 1')).toEqual([
      { failure_points: 20 },
    ])
    expect(await bed.query('select silent from agent_records order by 1 desc limit 1')).toEqual([
      { silent: 2 },
    ])
  })
})

describe('a coordinator that certifies a packet twice', () => {
  /** As the overlay lists it. */
  const listed = (txid: string, packet: string, admittedMs = NOW_MS) =>
    bed.query(
      `insert into gitdata_certificates (txid, vout, coordinator, round_id, index, template, level, packet_id, version_id,
          admitted_ms)
        values (sha256($1::text::bytea), 1, $2, sha256($1::text::bytea), 0, 'packet', 'enhanced', sha256($3::text::bytea),
          sha256($3::text::bytea), $4)`,
      [txid, bytea(party('somebody else').identityKey), packet, admittedMs],
    )
  const named = () =>
    bed.query(
      `select encode(packet_id, 'hex') as packet, cardinality(txids) as txids from evidence order by id`,
    )

  test('is named once for the packet, by the first two that are seen', async () => {
    await listed('first', 'packet', NOW_MS - 86_400_000)
    await listed('of another packet', 'another')
    await store.noteCertifiedTwice()
    expect(await named()).toEqual([])
    await listed('second', 'packet')
    await store.noteCertifiedTwice()
    for (const more of ['third', 'fourth']) {
      await listed(more, 'packet', NOW_MS + 1)
      await store.noteCertifiedTwice()
    }
    expect(await named()).toEqual([{ packet: leaf('packet'), txids: 2 }])
  })

  test('is not named for one that was revoked', async () => {
    for (const txid of ['first', 'second']) await listed(txid, 'packet')
    await bed.query(`update gitdata_certificates set spent_by = txid where txid = sha256('first')`)
    await store.noteCertifiedTwice()
    expect(await named()).toEqual([])
  })

  test('is named at one look, whatever others have had admitted before', async () => {
    for (let each = 0; each < 600; each++) await listed(`flood ${each}`, `flood ${each % 300}`, NOW_MS - 1)
    for (const txid of ['first', 'second']) await listed(txid, 'packet')
    await store.noteCertifiedTwice()
    expect(await named()).toHaveLength(301)
  })
})

describe('what an agent has shown', () => {
  test('wears off to nothing, however long ago it was', async () => {
    const { pool } = bed.fuelBed.bed.database
    const shown = {
      agentKey: agentAt('normalize', 0).identityKey,
      operator: agentAt('normalize', 1).identityKey,
    }
    const years = 365 * 24 * 60 * 60_000
    for (const year of [0, 1, 5]) await writeTerms(pool, [{ ...shown, term: 'silent' }], year * years)
    await writeTerms(pool, [{ ...shown, term: 'agreed' }], 5 * years)
    expect(await bed.query('select agreed, silent from agent_records')).toEqual([{ agreed: 1, silent: 1 }])
  })
})

describe('what speaks against an agent', () => {
  test.each([
    ['rounds.taken-down', { status: 'failed' }, 'failed'],
    ['rounds.work-written', { work: 'void' }, 'void'],
  ] as const)('is noted after all where the process dies at %s', async (deathbed, said, term) => {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.answer(round, 0, [leaf('0'), leaf('1')], said)
    const dying = bed.store({
      at(step) {
        if (step === deathbed) throw new Error(`dies at ${step}`)
      },
    })
    await expect(dying.news([round.lease])).rejects.toThrow(deathbed)
    for (let looks = 0; looks < 2; looks++) await store.news([round.lease])
    expect(await bed.query(`select ${term} as times from agent_records`)).toEqual([{ times: 1 }])
  })
})

describe('an answer whose work the disk does not give back', () => {
  test('keeps no other answer waiting, and counts once it can be read', async () => {
    const unread: string[] = []
    store = bed.store({ onUnreadable: (_error, txid) => void unread.push(txid) })
    const round = await openOne()
    await bed.seen(store, round)
    const waiting = await bed.answer(round, 0, [leaf('0'), leaf('1')], { work: 'unreadable' })
    const other = await bed.answer(round, 1, [leaf('0'), leaf('1')])
    expect((await bed.newsOf(store, round))?.results.map(({ txid }) => txid)).toEqual([other.txid])
    expect(unread).toEqual([waiting.txid])
    expect(await bed.newsOf(store, round)).toBe(undefined)
    bed.works.clear()
    expect((await bed.newsOf(store, round))?.results).toHaveLength(2)
  })

  test('is never held against its agent, while one for which nothing was stored is', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    await bed.answer(round, 0, [leaf('0'), leaf('1')], { work: 'unreadable' })
    const { txid } = await bed.answer(round, 1, [leaf('0'), leaf('1')], { work: 'missing' })
    await bed.newsOf(store, round)
    await bed.query(`update rounds set state = 'over', in_flight = false`)
    for (let looks = 0; looks < 2; looks++) await store.takeStragglers()
    expect(
      await bed.query(`select kind, encode(txids[2], 'hex') as txid from evidence where kind = 'work-void'`),
    ).toEqual([{ kind: 'work-void', txid }])
    expect(await bed.query(`select work from round_results order by vout`)).toEqual([
      { work: 'unchecked' },
      { work: 'void' },
    ])
  })
})

describe('an agent that says something else than the quorum', () => {
  test('is overruled, and its answer stays beside those that count', async () => {
    const round = await openOne()
    await bed.seen(store, round)
    for (const seat of [0, 1]) await bed.answer(round, seat, [leaf('0'), leaf('1')])
    await bed.answer(round, 2, [leaf('0'), leaf('something else')])
    const news = await bed.newsOf(store, round)
    const heard = { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
    const decided = decidedAs('advance', heard, bed.decide(heard, news))
    expect((await store.advance(heard.lease, decided, bed.next(heard, decided.decision))).kind).toBe(
      'written',
    )

    const [conflict] = await bed.query<{
      decision: string
      leaf: string
      votes: { leaf: string; outputHash: string }[]
    }>(`select decision, encode(leaf, 'hex') as leaf, votes from conflicts`)
    expect([conflict?.decision, conflict?.leaf]).toEqual(['agreed', leaf('1')])
    expect(conflict?.votes.map(vote => vote.leaf)).toEqual([leaf('1'), leaf('1'), leaf('something else')])
    expect(conflict?.votes.every(vote => vote.outputHash.length === 64)).toBe(true)
    expect(await bed.query('select kind, cardinality(txids) as n from evidence')).toEqual([
      { kind: 'dissent', n: 2 },
    ])
    expect(await bed.query('select agreed, dissenting from agent_records order by agreed')).toEqual([
      { agreed: 0, dissenting: 1 },
      { agreed: 1, dissenting: 0 },
      { agreed: 1, dissenting: 0 },
    ])
    expect(await bed.query('select failure_points from operators order by 1')).toEqual(
      [0, 0, 10].map(failure_points => ({ failure_points })),
    )
    await showsAll(heard)
  })
})

describe('a round in which nothing is agreed', () => {
  test('leaves its packets alone until the network has its close, and they come back in halves', async () => {
    const round = await silentRound()
    expect(await statuses()).toEqual(['open', 'open'])
    expect(await bed.plan(store)).toEqual({ kind: 'planned', opened: [] })
    expect(await store.closed(round.lease)).toBe('written')
    expect(await statuses()).toEqual(['sealed', 'sealed'])
    const again = await openOne()
    expect(again.packets).toHaveLength(1)
    expect(again.lease.roundId).not.toBe(round.lease.roundId)
    expect(
      await bed.query('select distinct state, conduct from round_seats where job_tx <> $1', [
        bytea(jobOf(again).sent.txid),
      ]),
    ).toEqual([{ state: 'failed', conduct: 'silent' }])
    expect(await bed.query('select failure_points from operators')).toEqual(
      Array.from({ length: 3 }, () => ({ failure_points: 10 })),
    )
  })

  test('splits no packet for time in which nobody was there to hear its agents', async () => {
    const HOUR_MS = 3_600_000
    let opened = await openOne()
    for (const packets of [2, 1, 1]) {
      expect(opened.packets).toHaveLength(packets)
      await bed.seen(store, opened)
      bed.clock.ms += HOUR_MS
      const round = await takenOver(opened)
      const decided = decidedAs('close', round, bed.decide(round, undefined, true))
      const now = { ...decided, nowMs: bed.clock.ms }
      expect((await store.close(round.lease, now, bed.close(round))).kind).toBe('written')
      await store.closed(round.lease)
      expect(await statuses()).toEqual(['sealed', 'sealed'])
      bed.clock.ms += HOUR_MS
      opened = await openOne()
    }
    // Three times, as long as a job could be answered.
    expect(await bed.query('select waited_ms from packet_standings order by packet_no')).toEqual([
      { waited_ms: 30_000 },
      { waited_ms: 10_000 },
    ])
  })

  test('ends in dead letters, which are taken up again with a fresh set of tries', async () => {
    await silentRound()
    await store.closed(await onlyLease())
    await bed.query('update packet_standings set tries = 4 where packet_no = 0')
    const round = await openOne()
    const decided = decidedAs('close', round, bed.decide(round, undefined, true))
    await store.close(round.lease, decided, bed.close(round))
    await store.closed(round.lease)
    expect(await statuses()).toEqual(['split', 'sealed'])
    expect(await states()).toEqual(['split', 'received'])
    const [letter] = await bed.query<{ packet: string; stage: string; tries: number }>(
      `select encode(packet_id, 'hex') as packet, stage, tries from dead_letters where state = 'dead'`,
    )
    expect(letter).toMatchObject({ stage: 'normalize', tries: 5 })
    expect(await store.reopen(letter?.packet ?? '', 'owner')).toBe('reopened')
    expect(await store.reopen(letter?.packet ?? '', 'owner')).toBe('not-split')
    expect(await states()).toEqual(['received', 'received'])
    const planned = await bed.plan(store)
    const opened = planned.kind === 'planned' ? planned.opened.flatMap(({ packets }) => packets) : []
    // The other one is still to go alone, and waits for it.
    expect(opened.map(({ packetNo, tries }) => [packetNo, tries])).toEqual([[0, 0]])
  })

  test.each(['kept', 'in the work of an agent'])(
    'is taken up again where the state that it builds on is here (%s), and nowhere else',
    async where => {
      const round = await openOne()
      await bed.seen(store, round)
      await bed.query(`update packet_standings set status = 'certified', version_id = packet_id, round_id = null,
        state_out = sha256('state') where packet_no = 0`)
      // Certified on either side of these two, and of another state; there are no packets behind them.
      await bed.query(`begin; set local session_replication_role = replica;
        insert into packet_standings select (jsonb_populate_record(standing, jsonb_build_object(
            'packet_id', sha256(other::text::bytea), 'packet_no', other, 'state_out', sha256('other')))).*
          from packet_standings as standing, unnest(array[-1, 2]) as other where packet_no = 0; commit`)
      const [split] = await bed.query<{ packet: string }>(
        `update packet_standings set status = 'split', round_id = null where packet_no = 1
          returning encode(packet_id, 'hex') as packet`,
      )
      const before = await everything()
      expect(await store.reopen(split?.packet ?? '', 'owner')).toBe('state-gone')
      expect(await everything()).toEqual(before)
      if (where === 'kept') {
        await held('state', NOW_MS + 1)
        await bed.query(`insert into kept_states (state, partition_id, packet_no, bytes, kept_ms)
          select state_out, partition_id, packet_no, 5, 0 from packet_standings where packet_no = 0`)
      } else {
        await bed.answer(round, 0, [leaf('0'), leaf('1')])
        await bed.newsOf(store, round)
        await bed.query(`update outcomes set is_agreed = true, state_out = sha256('state') where member = 0`)
        await bed.query(`update round_results set work_object = sha256('work')`)
        await held('work', NOW_MS + 1)
      }
      bed.clock.ms = NOW_MS + 1
      expect(await store.reopen(split?.packet ?? '', 'owner')).toBe('state-gone')
      bed.clock.ms = NOW_MS
      expect(await store.reopen(split?.packet ?? '', 'owner')).toBe('reopened')
    },
  )
})

describe('a round whose next job died', () => {
  test('goes on from the last one that is alive, with the answers that are there', async () => {
    const first = await answered(await openOne())
    const decided = decidedAs('advance', first, bed.decide(first, newsLike(first)))
    const written = await store.advance(first.lease, decided, bed.next(first, decided.decision))
    const dead = written.kind === 'written' ? (written.transaction?.txid ?? '') : ''
    await bed.query(`update fuel_transactions set state = 'dead' where txid = $1`, [bytea(dead)])

    const round = await takenOver(first)
    expect((await bed.newsOf(store, round))?.last).toBe('dead')
    const view = await store.view(round.lease)
    expect(view.network.isLive(dead)).toBe(false)
    const end = round.firstJob && endOfThread(round.firstJob, view.network)
    const held = { roundId: round.lease.roundId, packets: round.packets, last: round.last, inFlight: false }
    const recovery = recoverRound(held, end, view.network)
    expect(recovery.next).toBe('resume')
    const deadlineMs = bed.clock.ms + 60_000
    const nowMs = bed.clock.ms
    const asked = `select vout, offered_ms from round_seats where stage = 'normalize' order by vout`
    await bed.query('update round_seats set offered_ms = 1')
    await bed.query(`update round_seats set result_tx = null where stage = 'normalize' and vout = 2`)
    await store.recovered(round.lease, {
      recovery,
      end,
      close: undefined,
      revocations: [],
      deadlineMs,
      nowMs,
    })

    // Whoever has not answered is asked again, with the new deadline.
    expect((await bed.query<{ offered_ms: number | null }>(asked)).map(row => row.offered_ms)).toEqual([
      1,
      1,
      null,
    ])
    const resumed = await takenOver(round)
    expect([resumed.rebuild, resumed.inFlight, jobOf(resumed).sent.txid]).toEqual([1, false, end?.txid])
    expect(jobOf(resumed).results).toHaveLength(3)
    const again = decidedAs('advance', resumed, bed.decide(resumed, newsLike(resumed)))
    const rebuilt = await store.advance(resumed.lease, again, bed.next(resumed, again.decision, 1))
    expect(rebuilt.kind === 'written' && rebuilt.transaction?.txid !== dead).toBe(true)
    expect(await bed.query('select stage, rebuild, outcome from round_jobs order by stage, rebuild')).toEqual(
      [
        { stage: 'normalize', rebuild: 0, outcome: 'advanced' },
        { stage: 'validate', rebuild: 0, outcome: 'dead' },
        { stage: 'validate', rebuild: 1, outcome: null },
      ],
    )
  })
})

/** Opened, never answered, and closed: the network does not have the close yet. */
async function silentRound(): Promise<HeldRound> {
  const round = await openOne()
  await bed.seen(store, round)
  const decided = decidedAs('close', round, bed.decide(round, undefined, true))
  expect((await store.close(round.lease, decided, bed.close(round))).kind).toBe('written')
  return round
}

/** An object of this name's hash, as long as that. */
async function held(name: string, untilMs: number): Promise<void> {
  await bed.query(
    `insert into uhrp_objects (sha256, length, state, checked_ms) values (sha256($1::bytea), 5, 'held', 0)`,
    [Buffer.from(name)],
  )
  await bed.query(
    `insert into uhrp_retentions (sha256, holder, audience, readers, content_type, retain_until_ms, stored_ms)
      values (sha256($1::bytea), 'node test', 'public', '{}', '', $2, 0)`,
    [Buffer.from(name), untilMs],
  )
}

async function onlyLease() {
  await store.letGo()
  const [round] = await store.take(10)
  if (round === undefined) throw new Error('there is no round to take')
  return round.lease
}

/** The same, as people are shown it. */
async function showsAll({ lease: { roundId }, packets }: HeldRound): Promise<void> {
  const { pool } = bed.fuelBed.bed.database
  const reopen = (packetId: string, by: string) => store.reopen(packetId, by)
  const jobs = openNodeJobs({
    ...{ pool, reopen },
    content: { open: async () => ({ kind: 'none' }) },
    now: () => bed.clock.ms,
  })
  const all = { limit: 10 }
  expect(await jobs.rounds(all, 'open')).toMatchObject([{ roundId, state: 'open', packets: 2 }])
  expect(await jobs.rounds(all, 'over')).toEqual([])
  expect(await jobs.round(roundId)).toMatchObject({
    members: [{ index: 0 }, { index: 1 }],
    jobs: [{ stage: 'normalize', outcome: 'advanced' }, { stage: 'validate' }],
  })
  const packetId = packets[1]?.packetId ?? ''
  expect(await jobs.conflicts(all, packetId)).toMatchObject([{ packetId, stage: 'normalize' }])
  const [conflict] = await jobs.conflicts(all, packetId)
  // What the agents had stored is gone.
  expect(await jobs.difference(conflict?.id ?? 0)).toMatchObject({ why: expect.stringContaining('not here') })
  expect(await jobs.difference(0)).toBe(undefined)
  const [evidence] = await jobs.evidence(all, undefined)
  expect(evidence).toMatchObject({ kind: 'dissent', roundId })
  expect(await jobs.evidence({ ...all, below: evidence?.id }, undefined)).toEqual([])
  expect((await jobs.agents(10)).map(({ score }) => score).sort((a, b) => a - b)).toEqual([71.4, 100, 100])
  expect(await jobs.deadLetters(all, 'dead')).toEqual([])
  expect(await jobs.redrive(1, 'owner')).toBe(undefined)
  expect(await explainPacket(pool, packetId)).toMatchObject({ packetId, status: 'open', conflicts: 1 })
  expect(await store.backlog()).toBe(packets.length === 2 ? 8 : 0)
  expect(await store.isSettled(packetId)).toBe(false)
  await store.noteDoubleSpends()
}

/** All that a step could have left half done. */
async function everything() {
  const tables = [
    'rounds',
    'round_jobs',
    'round_seats',
    'round_members',
    'packet_standings',
    'packet_states',
    'operators',
    'agent_records',
    'outcomes',
    'partition_rounds',
    'round_planning',
    'fuel_transactions',
  ]
  const found: Record<string, unknown> = {}
  for (const table of tables) {
    const columns = table === 'fuel_transactions' ? 'subject, stage, rebuild' : '*'
    const where = table === 'fuel_transactions' ? `where stage in ('normalize', 'validate', 'close')` : ''
    found[table] = await bed.query(`select ${columns} from ${table} ${where} order by 1, 2`)
  }
  return found
}

async function statuses(): Promise<string[]> {
  const rows = await bed.query<{ status: string }>('select status from packet_standings order by packet_no')
  return rows.map(({ status }) => status)
}

async function openOne(): Promise<HeldRound> {
  // Who has died in the middle of it is gone for the database a moment later.
  const planned = await until(async () => {
    const tried = await bed.plan(store)
    return tried.kind !== 'busy' && tried
  })
  const [round] = planned.kind === 'planned' ? planned.opened : []
  if (round === undefined) throw new Error(`nothing was opened: ${JSON.stringify(planned)}`)
  return round
}

async function leaseEnd(): Promise<number> {
  const [row] = await bed.query<{ lease_until_ms: number }>('select lease_until_ms from rounds')
  return row?.lease_until_ms ?? 0
}

/** Two rounds of one packet each: the first is split, so that the second does not wait for it, and is taken up again. */
async function openEach(): Promise<readonly HeldRound[]> {
  await store.plan(() => ({ openings: [], seatable: new Set() }))
  await bed.query(`update packet_standings set status = 'split' where packet_no = 0`)
  const next = await openOne()
  await bed.query(`update packet_standings set status = 'sealed' where packet_no = 0`)
  await bed.query(`update packet_standings set status = 'split' where packet_no = 1`)
  return [next, await openOne()]
}

/** The network has the job, every agent has answered, and we know it. */
async function answered(round: HeldRound): Promise<HeldRound> {
  await bed.seen(store, round)
  await bed.answerAll(round)
  const news = await bed.newsOf(store, round)
  return { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
}

function newsLike(round: HeldRound) {
  const { roundId } = round.lease
  return { roundId, last: 'seen', results: jobOf(round).results, threadUnspent: true } as const
}

/** As another process has it from the rows. */
async function takenOver(round: HeldRound): Promise<HeldRound> {
  await store.letGo()
  const [taken] = await store.take(10)
  if (taken === undefined) throw new Error('nobody had it, and it was not there to take')
  expect(taken.lease.token).toBe(round.lease.token + 1)
  expect(taken.firstJob).toEqual(round.firstJob)
  return taken
}

async function states(): Promise<string[]> {
  const rows = await bed.query<{ state: string }>('select state from packet_states order by packet_no')
  return rows.map(({ state }) => state)
}
