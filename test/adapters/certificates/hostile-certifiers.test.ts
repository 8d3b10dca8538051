import { afterEach, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { canonicalJson, type JsonObject } from '../../../src/core/canonical-json.ts'
import type { CertifiedManifest } from '../../../src/core/certificate/manifest.ts'
import { until } from '../../support/until.ts'
import { type CertificatesBed, certificatesBed } from './certificates-bed.ts'

const beds: CertificatesBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.close()
})
async function withBed(): Promise<CertificatesBed> {
  const bed = await certificatesBed()
  beds.push(bed)
  await bed.fill()
  return bed
}

/** What a quorum says, whatever it is. */
const agreedOn = (
  bed: CertificatesBed,
  lie: (manifest: CertifiedManifest) => CertifiedManifest & JsonObject,
) =>
  bed.decide({
    conspire: packet => {
      const manifest = lie(packet.certified.manifest)
      const manifestJson = canonicalJson(manifest)
      return { ...packet, certified: { manifest, manifestJson, versionId: sha256Hex(manifestJson) } }
    },
  })

const roundOf = async ({ rows }: CertificatesBed, roundId: string) =>
  (await rows(`select state, last_error from rounds where round_id = decode($1, 'hex')`, roundId))[0]
const isLost = (bed: CertificatesBed, roundId: string) => async () =>
  (await roundOf(bed, roundId))?.['state'] === 'lost' && roundOf(bed, roundId)

/** The same round once more, under another name, as it would be for packets of others. */
const copyRound = ({ rows }: CertificatesBed, name: string) =>
  rows(
    `insert into rounds select (copy.row).* from (
      select jsonb_populate_record(round, jsonb_build_object('decided_ms', 0, 'job_tx', null, 'first_job', null,
          'last_tx', null, 'round_id', '\\x' || encode(sha256($1::text::bytea), 'hex'))) as row
        from rounds as round limit 1) as copy`,
    name,
  )

/** Whatever is written to these rows fails, as it does where the database is short of something. */
async function failing({ rows }: CertificatesBed, table: string, condition: string): Promise<void> {
  await rows(`create function fail() returns trigger language plpgsql as
    $$ begin raise exception 'not now' using errcode = '53100'; end $$`)
  await rows(
    `create trigger fails before update on ${table} for each row when (${condition}) execute function fail()`,
  )
}

describe('a round whose quorum has agreed on what is no manifest', () => {
  test.each<[string, (manifest: CertifiedManifest) => CertifiedManifest & JsonObject]>([
    ['a license with U+0000', manifest => ({ ...manifest, policy: { ...manifest.policy, license: 'a\0b' } })],
    [
      'a time that no clock has shown',
      manifest => ({
        ...manifest,
        provenance: { ...manifest.provenance, createdAt: '0000-01-01T00:00:00.000Z' },
      }),
    ],
    ['a member whose name has U+0000', manifest => ({ ...manifest, 'evil\0': 1 })],
  ])('is given up: %s', async (_, lie) => {
    const bed = await withBed()
    const { roundId, jobTx } = await agreedOn(bed, lie)
    bed.start()
    const given = await until(isLost(bed, roundId))
    expect(given?.['last_error']).toContain('is none')
    // Nobody decides on these answers again.
    const works = `select distinct work from round_results where job_tx = decode($1, 'hex')`
    expect(await bed.rows(works, jobTx)).toEqual([{ work: 'void' }])
    expect(await bed.rows('select from certificates')).toEqual([])
  })

  test('keeps none of those that are looked at with it, though it cannot even be given up', async () => {
    const bed = await withBed()
    const { roundId } = await bed.decide()
    await copyRound(bed, 'broken')
    await failing(bed, 'rounds', `new.state = 'lost'`)
    const due = await bed.store().take(8)
    expect(due.map(({ lease }) => lease.roundId)).toEqual([roundId])
    expect(bed.reports.map(({ what }) => what)).toEqual(['onUnreadable', 'onUnreadable'])
  })
})

describe('a certificate that the database does not take', () => {
  test('is given up, as it would not be taken the next time', async () => {
    const bed = await withBed()
    const { roundId } = await bed.decide()
    await bed.rows(`alter table dlm_versions add constraint picky check (dataset_id = 'another')`)
    bed.start()
    const given = await until(isLost(bed, roundId))
    expect(given?.['last_error']).toContain('picky')
    expect(bed.reports.map(({ what }) => what)).toEqual(['onFailure', 'onGivenUp'])
    expect(await bed.rows(`select from fuel_transactions where stage = 'certificate'`)).toEqual([])
  })

  test('is given up with words that the database can keep', async () => {
    const bed = await withBed()
    const { roundId } = await bed.decide()
    const store = bed.store()
    const [due] = await store.take(1)
    if (due === undefined) throw new Error('nothing is due')
    await store.giveUp(due.lease, 'evil\0 words')
    expect(await roundOf(bed, roundId)).toEqual({ state: 'lost', last_error: 'evil\uFFFD words' })
  })
})

describe('certificates that cannot be settled', () => {
  test('keep none behind them from it, however many they are', async () => {
    const bed = await withBed()
    const { roundId } = await bed.decide()
    await copyRound(bed, 'stuck')
    await bed.rows(`update rounds set state = 'over', over_ms = 0 where round_id = sha256('stuck')`)
    await bed.rows(`insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      values (sha256('version'), 'declared', '{}', '', sha256(''), '', 0)`)
    // More than are heard of at once.
    await bed.rows(`insert into fuel_transactions select (copy.row).* from generate_series(1, 70) as number,
      lateral (select jsonb_populate_record(fuel, jsonb_build_object(
          'txid', '\\x' || encode(sha256(number::text::bytea), 'hex'))) as row
        from fuel_transactions as fuel where state = 'mined' limit 1) as copy`)
    await bed.rows(`insert into certificates (txid, vout, round_id, index, template, level, packet_id, version_id, state,
          written_ms)
        select sha256(number::text::bytea), 1, sha256('stuck'), 0, 'packet', 'enhanced', sha256(number::text::bytea),
            sha256('version'), 'written', 0
          from generate_series(1, 70) as number`)
    await failing(bed, 'certificates', `old.version_id = sha256('version')`)
    bed.start()
    await until(async () => (await roundOf(bed, roundId))?.['state'] === 'over')
    expect(bed.reports.map(({ what }) => what)).toContain('onFailure')
    // Also what has come to rest is still heard of.
    await until(async () => {
      await bed.bed.chain.mine()
      return (await bed.rows(`select from certificates where state = 'proven'`)).length > 0
    })
  })
})
