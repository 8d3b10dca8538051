import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { toHex, utf8 } from '../../../src/core/bytes.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { party } from '../../support/pipeline.ts'
import { type TracedRound, tracedRound } from '../../support/traced-round.ts'
import { type DetailApp, detailApp } from './detail-app.ts'

let round: TracedRound
let app: DetailApp
const [named, ofTenant, other] = ['named', 'of the tenant', 'other'].map(name => party(name).identityKey)
beforeAll(async () => {
  round = await tracedRound()
  app = await detailApp(round)
  await secondStream(round)
  const { pool } = round.bed.bed.database
  await pool.query(
    `insert into overlay_event_sources (source_id, name, source_type, identity_key, tenant_id)
      values ('theirs', 'theirs', 'webhook', $1, 'acme')`,
    [ofTenant],
  )
  await pool.query(
    `insert into quarantine (partition_id, stream_id, source_id, reason, detail, held, authenticated, received_ms)
      select id, stream_id, 'farm-001', 'stale-event-time', 'secret-detail', '{"text":"secret-word"}', 'none', 7 from partitions`,
  )
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  expect(app.failures).toEqual([])
})
afterEach(() =>
  streams("audience = 'public', published = true, tenant_id = null, readers = '{}', blind_key = null"),
)

const streams = (set: string, where = 'true') =>
  round.bed.bed.database.pool.query(`update streams set ${set} where ${where}`)
const restrict = (where: string) =>
  streams(
    `audience = 'restricted', blind_key = decode('${'07'.repeat(32)}', 'hex'), readers = array['${named}']`,
    where,
  )
const eventPaths = () =>
  ['/ingest/events/', '/events/', '/events/:/trace', '/overlay/events/:/certification'].map(path => {
    const { eventId } = round.event(1, 0)
    return path.includes(':') ? path.replace(':', eventId) : path + eventId
  })
const jobOf = async (stage: string) => {
  const [row] = await round.query('select txid from round_jobs where stage = $1', stage)
  return String(row?.['txid'])
}

describe('what its reader may not know of', () => {
  test.each<[string, () => Promise<unknown>, string | undefined, readonly (string | undefined)[]]>([
    ['restricted', () => restrict('true'), named, [undefined, ofTenant, other]],
    ['another tenant’s', () => streams("tenant_id = 'acme'"), ofTenant, [undefined, named, other]],
    ['not published', () => streams('published = false'), undefined, [undefined, named, ofTenant]],
  ])('is not there, byte for byte, where it is %s', async (_, hide, whose, others) => {
    await hide()
    const [packet] = round.packets
    const txid = await jobOf('validate')
    const there = [
      ...eventPaths(),
      `/packets/${packet?.packetId}`,
      `/rounds/${round.decided.roundId}`,
      `/overlay/jobs/${txid}`,
      `/overlay/jobs/${txid}.1`,
    ]
    for (const path of there) {
      const nowhere = path.replace(/[0-9a-f]{64}/, 'cd'.repeat(32))
      for (const reader of others) {
        const [answer, missing] = [await app.get(path, reader), await app.get(nowhere, reader)]
        expect([path, answer.status]).toEqual([path, 404])
        expect(answer.body.toString()).toBe(missing.body.toString())
        expect(answer.headers).toEqual({ ...missing.headers, date: answer.headers['date'] })
      }
      if (whose !== undefined) {
        const answer = await app.get(path, whose)
        expect([path, answer.status, answer.headers['cache-control']]).toEqual([
          path,
          200,
          'private, no-store',
        ])
      }
    }
    for (const reader of others)
      for (const path of ['/conflicts', '/quarantine'])
        expect(await app.read(path, reader)).toEqual({ items: [], nextCursor: null })
  })

  test('is left out of a round place by place, its leaves and its version too', async () => {
    await restrict("stream_id <> 'second'")
    const path = `/rounds/${round.decided.roundId}`
    const [text, whole] = [
      (await app.get(path)).body.toString(),
      readRound.parse(await app.read(path, other)),
    ]
    const [hidden, shown] = round.packets
    if (hidden === undefined || shown === undefined) throw new Error('a round has two packets')
    expect(whole.members.map(({ packetId, streamId }) => [packetId, streamId])).toEqual([
      [null, null],
      [shown.packetId, 'second'],
    ])
    for (const secret of [
      hidden.packetId,
      hidden.certified.versionId,
      hidden.validated.outputHash,
      'sensors.temperature',
    ])
      expect(text).not.toContain(secret)
    const results = whole.jobs.flatMap(({ seats }) => seats.flatMap(seat => seat.results))
    expect(results).toHaveLength(9)
    for (const { leaves, workHash } of results) {
      expect(leaves.map(({ member }) => member)).toEqual([1])
      expect(workHash).toBeNull()
    }
    // About the first packet no two normalise alike.
    await round.query(
      `update round_results set leaves = overlay(leaves placing sha256(txid) from 1 for 32)
        where job_tx in (select txid from round_jobs where stage = 'normalize')`,
    )
    for (const { members, inputRoot } of whole.jobs) expect([members, inputRoot]).toEqual([[1], null])
    const job = (await app.get(`/overlay/jobs/${await jobOf('normalize')}`)).body.toString()
    expect(JSON.parse(job)).toMatchObject({
      members: [{ index: 1, streamId: 'second' }],
      inputData: { inputRoot: null },
      // Of what may be read: about the other one nobody agrees.
      ...{ completionPercentage: 100, consensusAchieved: true },
    })
    expect(await app.read(`/overlay/jobs/${await jobOf('normalize')}`, named)).toMatchObject({
      completionPercentage: 50,
      consensusAchieved: false,
    })
    expect(job).toContain(shown.packetId)
    expect(job).not.toContain(hidden.packetId)
    // Who is named sees both.
    const named_ = readRound.parse(await app.read(path, named))
    expect(named_.members.map(({ packetId }) => packetId)).toEqual([hidden.packetId, shown.packetId])
    expect(
      named_.jobs.flatMap(({ seats }) => seats.flatMap(seat => seat.results))[0]?.workHash,
    ).not.toBeNull()
  })

  test('is not told to who claims to be somebody and cannot prove it', async () => {
    for (const path of [...eventPaths(), '/conflicts', '/quarantine', `/rounds/${round.decided.roundId}`])
      expect([path, (await app.get(path, 'somebody')).status]).toEqual([path, 401])
  })

  test('of what is held is all but how much of it, and why', async () => {
    const { body } = await app.get('/quarantine?limit=1')
    expect(body.toString()).not.toContain('secret')
    expect(JSON.parse(body.toString())).toEqual({
      items: [
        {
          streamId: 'second',
          held: 1,
          reasons: [{ reason: 'stale-event-time', held: 1, oldestMs: 7, newestMs: 7 }],
          ...{ waived: 0, rejected: 0 },
        },
      ],
      nextCursor: expect.any(String),
    })
    const { nextCursor } = JSON.parse(body.toString())
    expect(await app.read(`/quarantine?cursor=${nextCursor}`)).toMatchObject({
      items: [{ streamId: 'sensors.temperature' }],
      nextCursor: null,
    })
    // Of another list or question, of who may read something else, touched, or made up.
    expect((await app.get(`/conflicts?cursor=${nextCursor}`)).status).toBe(400)
    expect((await app.get(`/quarantine?streamId=second&cursor=${nextCursor}`)).status).toBe(400)
    await restrict("stream_id = 'second'")
    expect((await app.get(`/quarantine?cursor=${nextCursor}`, named)).status).toBe(400)
    for (const cursor of [`A${nextCursor}`, nextCursor.slice(1), ...['x', '1.5', '1e30', 'a\0'].map(madeUp)])
      for (const list of ['/quarantine', '/conflicts'])
        expect([cursor, (await app.get(`${list}?cursor=${cursor}`)).status]).toEqual([cursor, 400])
  })
})

/** As anybody can: the key, and what follows from it. */
const madeUp = (key: string) => {
  const hex = toHex(utf8(key))
  return hex + sha256Hex(`conflicts\n${key}`).slice(0, 8)
}

const readRound = z.object({
  members: z.array(z.object({ packetId: z.string().nullable(), streamId: z.string().nullable() })),
  jobs: z.array(
    z.object({
      members: z.array(z.number()),
      inputRoot: z.string().nullable(),
      seats: z.array(
        z.object({
          results: z.array(
            z.object({
              workHash: z.string().nullable(),
              leaves: z.array(z.object({ member: z.number() })),
            }),
          ),
        }),
      ),
    }),
  ),
})

/** Its second packet is made one of another stream, so that a round has two. */
async function secondStream({ bed, packets }: TracedRound): Promise<void> {
  const { pool } = bed.bed.database
  const packetId = packets[1]?.packetId
  await pool.query(
    `alter table packet_standings drop constraint packet_standings_partition_id_packet_no_fkey;
    insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms, created_ms,
        updated_ms)
      select 'second', audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms, 0, 0 from streams;
    insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms)
      select 'second', 0, log, network, level, audience, shards_by, shards_index, shards_count, 0 from partitions`,
  )
  await pool.query(
    `with place as (select id from partitions where stream_id = 'second'), marks as (
        insert into seal_marks select place.id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest, roster_digest,
            0, 0, 0, 0, 0, because, marked_ms from seal_marks, place where packet_no = 1 returning 1
      ), events as (
        update projected_events set partition_id = place.id from place
          where seq >= (select first_seq from packets where packet_id = decode($1, 'hex'))
      ), segment as (
        insert into segments select place.id, append_no, first_seq, count, received, duplicate, rejected, quarantined, waived,
            policy_digest, constants, sources, first_event_ms, last_event_ms, appended_ms, lines
          from segments, place where append_no = 1
      ), standing as (
        update packet_standings set partition_id = place.id from place where packet_id = decode($1, 'hex')
      )
      select count(*) from marks`,
    [packetId],
  )
  // The log takes no such change from anybody; here it saves a second round.
  await pool.query('alter table packets disable trigger user')
  await pool.query(
    `update packets set partition_id = (select id from partitions where stream_id = 'second')
      where packet_id = decode($1, 'hex')`,
    [packetId],
  )
}
