import { afterAll, beforeAll, expect, test } from 'vitest'
import { streamsOfObjects } from '../../migrations/041-streams-of-objects.ts'
import { type CertificatesBed, certificatesBed } from '../adapters/certificates/certificates-bed.ts'
import { until } from '../support/until.ts'

let bed: CertificatesBed
beforeAll(async () => {
  bed = await certificatesBed()
  await bed.fill()
})
afterAll(() => bed.close())

test('objects that were kept before it was noted whose they are are of the streams that they were made for', async () => {
  const { roundId } = await bed.decide()
  bed.start()
  await until(async () => {
    const [round] = await bed.rows(`select state from rounds where round_id = decode($1, 'hex')`, roundId)
    return round?.['state'] === 'over'
  })
  // As sealing and stages with a state leave them, which this bed does without.
  await bed.rows(`update dlm_versions set manifest = jsonb_set(manifest::jsonb, '{provenance,assay,stateOut}',
    to_jsonb(encode(sha256('state'), 'hex')))::text`)
  await keep('packets', 'select raw_hash as hash, partition_id from packets')
  await keep('states', `select sha256('state') as hash, partition_id from packets`)
  const kept = () => bed.rows('select holder, sha256, streams from uhrp_retentions order by holder, sha256')
  const before = await kept()
  const holders = before.filter(({ streams }) => Object(streams).length > 0).map(({ holder }) => holder)
  expect(new Set(holders)).toEqual(new Set(['node certified', 'node packets', 'node states']))

  const { knex } = bed.bed.database
  await streamsOfObjects.down(knex)
  await streamsOfObjects.up(knex)
  expect(await kept()).toEqual(before)
})

async function keep(what: string, hashes: string): Promise<void> {
  await bed.rows(`insert into uhrp_objects (sha256, length, state, checked_ms)
    select distinct hash, 1, 'held', 0 from (${hashes}) as made on conflict do nothing`)
  await bed.rows(`insert into uhrp_retentions
      (sha256, holder, audience, readers, content_type, stored_ms, retain_until_ms, advertise, streams)
    select hash, 'node ${what}', 'public', '{}', 'x', 0, 0, false, array_agg(distinct stream_id)
      from (${hashes}) as made join partitions on id = partition_id group by hash`)
}
