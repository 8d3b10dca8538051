import { afterEach, describe, expect, test } from 'vitest'
import { readProofParts } from '../../../src/adapters/certificates/read-proof-parts.ts'
import { readBeef } from '../../../src/contract/beef.ts'
import { readBump } from '../../../src/contract/bump.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
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

const isOver = async ({ rows }: CertificatesBed, roundId: string) =>
  (await rows(`select state from rounds where round_id = decode($1, 'hex') and state = 'over'`, roundId))
    .length > 0

describe('a decided round', () => {
  test('is certified, anchored and proven, with what it points at kept before', async () => {
    const bed = await withBed()
    const { round, roundId } = await bed.decide()
    bed.start()
    await until(() => isOver(bed, roundId))
    const certificates = await bed.rows('select * from certificates order by index')
    expect(
      certificates.map(({ index, vout, state, version_id }) => ({ index, vout, state, version_id })),
    ).toEqual(
      round.packets.map(({ certified: { versionId } }, index) => ({
        ...{ index, vout: 2 * index + 1 },
        state: 'anchored',
        version_id: versionId,
      })),
    )
    const standings = await bed.rows('select * from packet_standings order by packet_no')
    expect(bed.waits).toHaveLength(round.packets.length)
    const [first, second] = round.packets
    expect(standings.map(({ status, version_id }) => [status, version_id])).toEqual(
      round.packets.map(({ certified }) => ['certified', certified.versionId]),
    )
    expect(standings[1]?.['parent_packet_id']).toBe(first?.packetId)
    expect(standings[1]?.['parent_version_id']).toBe(first?.certified.versionId)
    expect(standings[1]?.['state_in']).toBe(second?.certified.manifest.provenance.assay.stateIn)
    const txid = String(certificates[0]?.['txid'])
    const shown = await bed.rows('select * from packet_states order by packet_no')
    expect(shown[0]).toMatchObject({
      state: 'anchored',
      content_hash: first?.validated.outputHash,
      certification_evidence: { roundId, txid, agreeing: 3, wanted: 2, of: 3 },
      overlay_distribution: { topics: [baseTopics.certified, baseTopics.certify] },
    })
    expect(await bed.rows(`select certificate_host_count(decode($1, 'hex')) as hosts`, txid)).toEqual([
      { hosts: 1 },
    ])
    for (const { validated } of round.packets) {
      const opened = await bed.content.open(validated.outputHash, 'anybody')
      expect(opened.kind).toBe('open')
      if (opened.kind === 'open') await opened.object.file.close()
    }
    await until(async () => {
      await bed.bed.chain.mine()
      return (
        (await bed.rows(`select from packet_states where state = 'proven'`)).length === round.packets.length
      )
    })
    const proven = await bed.rows('select * from certificates')
    expect(proven.every(({ state, block_hash }) => state === 'proven' && block_hash !== null)).toBe(true)
    expect(bed.reports.map(({ what }) => what)).toEqual(['onCertified'])

    const found = await readProofParts(bed.bed.database.pool, second?.packetId ?? '')
    if (found?.kind !== 'parts' || found.parts.bump === undefined)
      throw new Error('the proof of the second packet has no block')
    const { parts } = found
    const { header, manifestJson, index, path } = parts
    expect([header, manifestJson]).toEqual([
      canonicalJson(second?.header ?? null),
      second?.certified.manifestJson,
    ])
    expect({ index, path }).toEqual({ index: 1, path: round.proof(1, 0).packet.path })
    const beef = orThrow(readBeef(parts.beef))
    expect(beef.subject.txid).toBe(txid)
    const bump = orThrow(readBump(found.parts.bump))
    expect(await bed.bed.chain.rootAt(bump.height)).toBe(bump.root)
    expect(bump.leaves.has(txid)).toBe(true)
  })
})
