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

async function seen(store = bed.store()): Promise<readonly CandidatePacket[]> {
  let packets: readonly CandidatePacket[] = []
  await store.plan(view => {
    packets = view.packets
    return { openings: [], seatable: new Set() }
  })
  return packets
}
