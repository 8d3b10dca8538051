import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type ConflictPage, openListConflicts } from '../../../src/adapters/reading/list-conflicts.ts'
import { anybody } from '../../../src/core/registry/may-read.ts'
import { conflictId } from '../../../src/serve/shown-conflict.ts'
import { type DisputedBed, disputedBed } from '../../adapters/rounds/disputed-bed.ts'
import { leaf } from '../../adapters/rounds/rounds-bed.ts'
import { party } from '../../support/pipeline.ts'
import { type DetailApp, detailApp } from './detail-app.ts'

let disputed: DisputedBed
let app: DetailApp
beforeAll(async () => {
  disputed = await disputedBed()
  app = await detailApp({ bed: { bed: disputed.bed.fuelBed.bed, content: disputed.content } })
}, 60_000)
afterAll(async () => {
  await app.stop()
  await disputed.end()
  expect(app.failures).toEqual([])
})
afterEach(() =>
  disputed.bed.query("update streams set audience = 'public', readers = '{}', blind_key = null"),
)

const page = z.object({
  items: z.array(
    z.looseObject({ conflictId: z.string(), packetId: z.string(), dissenters: z.array(z.string()) }),
  ),
  nextCursor: z.string().nullable(),
})
const listOf = async (query = '', reader?: string) => page.parse(await app.read(`/conflicts${query}`, reader))
const operator = (name: string) => party(`operator ${name}`).identityKey

describe('answers that were not all the same', () => {
  test('are listed with what stands, who dissented, and where the packet stands now', async () => {
    const { items } = await listOf(`?packetId=${disputed.packetIds[1]}`)
    expect(items).toMatchObject([
      {
        packetId: disputed.packetIds[1],
        streamId: 'sensors.temperature',
        stage: 'normalize',
        decision: 'agreed',
        stands: { leaf: leaf('quorum') },
        votes: [{ agrees: true }, { agrees: true }, { agrees: false, leaf: leaf('dissenting') }],
        dissenters: [operator('south')],
        packet: { versionId: null },
      },
    ])
  })

  test('come page by page, the newest first, and each on one page', async () => {
    const { packetIds, roundId, bed } = disputed
    // As many more as three pages hold, of other jobs that have not been.
    await bed.query(
      `insert into conflicts (packet_id, round_id, job_tx, stage, level, policy_digest, decision, votes, reason, decided_ms)
        select conflict.packet_id, conflict.round_id, job.txid, 'validate', conflict.level, policy_digest, 'retried', votes, 'nobody', 9
          from conflicts as conflict, round_jobs as job
          where conflict.packet_id = decode($1, 'hex') and job.round_id = decode($2, 'hex') and job.txid <> conflict.job_tx`,
      [packetIds[1], roundId],
    )
    const all = (await listOf()).items.map(({ conflictId }) => conflictId)
    expect(all.length).toBeGreaterThan(1)
    const paged: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { items, nextCursor }: z.output<typeof page> = await listOf(
        `?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`,
      )
      expect(items).toHaveLength(1)
      paged.push(...items.map(({ conflictId }) => conflictId))
      cursor = nextCursor
    }
    expect(paged).toEqual(all)
    // Where nothing stands, nobody has departed from it.
    const [undecided] = (await listOf()).items
    expect(undecided).toMatchObject({ decision: 'retried', stands: null, dissenters: [] })
    expect((await listOf('?streamId=another')).items).toEqual([])
  })

  test('are looked for so far and no farther for one page, which then leads on', async () => {
    const { packetIds, bed } = disputed
    const list = openListConflicts(bed.fuelBed.bed.database.pool, 1)
    const pagesOf = async (question: { readonly streamId?: string; readonly packetId?: string }) => {
      const pages: string[][] = []
      for (let below: number | null | 'none' = null; below !== 'none'; ) {
        const page: ConflictPage = await list({ ...question, below, limit: 50 }, anybody)
        pages.push(page.items.map(conflictId))
        below = page.below ?? 'none'
      }
      return pages
    }
    const all = (await listOf()).items.map(({ conflictId }) => conflictId)
    expect(await pagesOf({})).toEqual([...all.map(id => [id]), []])
    expect(await pagesOf({ streamId: 'another' })).toEqual([...all.map(() => []), []])
    const ofPacket = (await listOf(`?packetId=${packetIds[1]}`)).items.map(({ conflictId }) => conflictId)
    expect(await pagesOf({ packetId: packetIds[1] ?? '' })).toEqual([...ofPacket.map(id => [id]), []])
    await bed.query('update streams set published = false')
    try {
      expect(await pagesOf({})).toEqual([...all.map(() => []), []])
    } finally {
      await bed.query('update streams set published = true')
    }
  })

  test('are shown where they part, to whoever may read a public stream, and of no other to anybody', async () => {
    const { items } = await listOf(`?packetId=${disputed.packetIds[1]}`)
    const id = items.at(-1)?.conflictId ?? ''
    const path = `/conflicts/${id}/difference`
    expect(await app.read(path)).toMatchObject({
      conflictId: id,
      difference: {
        part: 'output',
        line: 1,
        oneLine: '{"line":1,"value":20}',
        otherLine: '{"line":1,"value":70}',
      },
    })
    const reader = party('named').identityKey
    await disputed.bed.query(
      `update streams set audience = 'restricted', readers = $1, blind_key = decode('${'07'.repeat(32)}', 'hex')`,
      [[reader]],
    )
    expect((await listOf('', reader)).items.length).toBeGreaterThan(0)
    expect((await listOf()).items).toEqual([])
    const missing = await app.get(`/conflicts/${'cd'.repeat(32)}.${'cd'.repeat(32)}/difference`)
    for (const who of [undefined, reader]) {
      const answer = await app.get(path, who)
      expect([answer.status, answer.body.toString()]).toEqual([404, missing.body.toString()])
    }
  })
})
