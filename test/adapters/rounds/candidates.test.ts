import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { STATE_BYTES_DEFAULT } from '../../../src/core/rules/carried-state.ts'
import type { CandidatePacket } from '../../../src/jobs/ports.ts'
import { party } from '../../support/pipeline.ts'
import { type RoundsBed, roundsBed } from './rounds-bed.ts'

let bed: RoundsBed

beforeEach(async () => {
  bed = await roundsBed()
})

afterEach(() => bed.end())

describe('a packet that waits for a round', () => {
  test('may leave as much state as its policy allows', async () => {
    expect((await seen()).map(({ stateBytesMax }) => stateBytesMax)).toEqual([
      STATE_BYTES_DEFAULT,
      STATE_BYTES_DEFAULT,
    ])
    // A policy with a bound of its own, in the place of the one that these packets were sealed under.
    await bed.query('alter table policy_sets disable trigger user')
    await bed.query(`update policy_sets set policy = (policy::jsonb || '{"stateBytesMax": 4194304}')::text`)
    expect((await seen()).map(({ stateBytesMax }) => stateBytesMax)).toEqual([4_194_304, 4_194_304])
  })

  test('is planned beside one whose policy the database cannot look into', async () => {
    await bed.query('alter table policy_sets disable trigger user')
    await bed.query(
      `update policy_sets set policy = '{"license":"a' || chr(92) || 'u0000b","stateBytesMax":4194304}'`,
    )
    expect((await seen()).map(({ stateBytesMax }) => stateBytesMax)).toEqual([4_194_304, 4_194_304])
  })

  test('waits no longer than anything waits, though the clock was set back since it was told to', async () => {
    await seen()
    const retryAfter = (waitMs: number) =>
      bed.query('update packet_standings set retry_ms = $1', [bed.clock.ms + waitMs])
    await retryAfter(30_000)
    expect(await seen()).toEqual([])
    await retryAfter(3_600_000)
    expect(await seen()).toHaveLength(2)
  })

  test('is left alone where it is of another log, and is counted for whoever has to go on with it', async () => {
    const store = bed.store()
    expect(await seen(store)).toHaveLength(2)
    expect(await store.strangers()).toBe(0)
    const other = bed.store({ log: party('somebody').identityKey })
    expect(await seen(other)).toEqual([])
    expect(await other.strangers()).toBe(2)
    expect(await other.backlog()).toBe(0)
  })
})

describe('a packet of a stream that is not published', () => {
  test('begins no round until it is published again', async () => {
    await bed.query('update streams set published = false')
    expect(await seen()).toEqual([])
    await bed.query('update streams set published = true')
    expect(await seen()).toHaveLength(2)
  })
})

describe('a partition that waits for a round', () => {
  test('has its turn, however many others do: one plan looks at so many of them', async () => {
    for (const number of [1, 2, 3, 4]) await copyPartition(number)
    const store = bed.store({ partitionsAtOnce: 2 })
    const turns: string[][] = []
    for (let plan = 0; plan < 5; plan++)
      turns.push([...new Set((await seen(store)).map(({ standing }) => standing.partition))])
    const numbers = turns.map(names => names.map(name => Number(name.split('/')[1])).sort())
    expect(numbers).toEqual([
      [0, 1],
      [2, 3],
      [0, 4],
      [1, 2],
      [3, 4],
    ])
  })

  test('is not held up by a packet that was overtaken, which is planned beside it', async () => {
    await seen()
    await bed.query(`update packet_standings set status = 'split' where packet_no = 0`)
    await copyPartition(1)
    const store = bed.store()
    await seen(store)
    await bed.query(`update packet_standings set status = 'certified', version_id = sha256('a version')
      where packet_no = 1 and partition_id = (select id from partitions where partition = 1)`)
    await bed.query(`update packet_standings set retry_ms = $1 where packet_no = 0`, [bed.clock.ms + 1])
    const shown = async () =>
      (await seen(store)).map(({ standing: { partition, packetNo, status } }) => [
        ...[partition.split('/')[1], packetNo, status],
      ])
    // Of the first, what is behind the split one; of the second, nothing before its time.
    expect(await shown()).toEqual([['0', 1, 'sealed']])
    bed.clock.ms += 1
    expect(await shown()).toEqual([
      ['0', 1, 'sealed'],
      ['1', 0, 'sealed'],
      ['1', 1, 'certified'],
    ])
  })
})

/** The same packets once more, under other names. */
async function copyPartition(number: number): Promise<void> {
  const columns = 'packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest, roster_digest, received'
  const counts = 'duplicate, rejected, quarantined, waived, because, marked_ms'
  await bed.query(
    `with copy as (
        insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
            opened_ms)
          select stream_id, $1, log, network, level, audience, shards_by, $1, 8, opened_ms from partitions where partition = 0
          returning id
      ), marks as (
        insert into seal_marks (partition_id, ${columns}, ${counts})
          select copy.id, ${columns}, ${counts} from seal_marks, copy
            where partition_id = (select id from partitions where partition = 0)
      ), heads as (
        insert into partition_heads (partition_id, next_packet) select copy.id, 2 from copy
          on conflict (partition_id) do update set next_packet = 2
      )
      insert into packets (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
        select copy.id, packet_no, sha256(packet_id || $1::text::bytea), header, first_seq, count, bytes, raw_hash, sealed_ms
          from packets, copy where partition_id = (select id from partitions where partition = 0)`,
    [number],
  )
}

async function seen(store = bed.store()): Promise<readonly CandidatePacket[]> {
  let packets: readonly CandidatePacket[] = []
  await store.plan(view => {
    packets = view.packets
    return { openings: [], seatable: new Set() }
  })
  return packets
}
