import { afterEach, describe, expect, test } from 'vitest'
import { answerAggregate } from '../../../agents/certifier/aggregate.ts'
import { makeAggregates } from '../../../src/adapters/certificates/make-aggregates.ts'
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson, type Json, parseJson } from '../../../src/core/canonical-json.ts'
import { aggregateId, readAggregateDocument } from '../../../src/core/certificate/aggregate.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { sampleEvent } from '../../support/certified-round.ts'
import { until } from '../../support/until.ts'
import { type CertificatesBed, certificatesBed } from './certificates-bed.ts'

const beds: CertificatesBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.close()
})

describe('ten certified packets of a stream with windows and rollups', () => {
  test('become two windows, and those a rollup, which agents answer and hold against their parents', async () => {
    const bed = await certificatesBed()
    beds.push(bed)
    await bed.fill()
    const { round } = await bed.decide({ events: Array.from({ length: 11 }, (_, i) => [sampleEvent(i)]) })
    await bed.rows(`update streams set aggregate = '{"windowMs": 5000, "rollupEvery": 2}'`)
    const make = () => makeAggregates({ pool: bed.bed.database.pool, now: Date.now, at: () => undefined })
    expect(await make()).toBe(0)
    bed.start()
    await until(async () => (await bed.rows(`select from rounds where state = 'over'`)).length > 0)
    // The eleventh packet shows that the second window is over.
    expect(await make()).toBe(2)
    expect(await make()).toBe(0)
    // As they are once agents have answered.
    await bed.rows(`update aggregates set state = 'certified'`)
    expect(await make()).toBe(1)

    const rows = await bed.rows(
      'select kind, aggregate_id, document, parents from aggregates order by made_ms, first_packet',
    )
    expect(rows.map(({ kind }) => kind)).toEqual(['window', 'window', 'rollup'])
    const versionIds = round.packets.map(({ certified: { versionId } }) => versionId)
    const documents = rows.map(({ document }) => orThrow(readAggregateDocument(String(document))))
    expect(documents.map(({ parents }) => parents.map(({ versionId }) => versionId))).toEqual([
      versionIds.slice(0, 5),
      versionIds.slice(5, 10),
      versionIds.slice(0, 10),
    ])
    expect(rows.map(({ aggregate_id }) => aggregate_id)).toEqual(documents.map(aggregateId))

    const text = String(rows[2]?.['document'])
    const manifests = round.packets.slice(0, 10).map(({ certified }) => utf8(certified.manifestJson))
    const taskOver = (document: string, parents: readonly Uint8Array[]) => ({
      facts: {
        coordinator: round.log.identityKey,
        subject: String(rows[2]?.['aggregate_id']),
        level: 'enhanced' as const,
        inputHash: sha256Hex(document),
      },
      document: utf8(document),
      manifests: parents,
    })
    const answer = orThrow(answerAggregate(taskOver(text, manifests)))
    const manifest = orThrow(parseJson(fromUtf8(answer.output) ?? ''))
    expect(sha256Hex(answer.output)).toBe(answer.leaf)
    expect(manifest).toMatchObject({ lineage: { parents: versionIds.slice(0, 10) }, content: { count: 10 } })
    // Another list of parents than the manifests', fewer of them, or in another order.
    const { parents, ...rest } = orThrow(readAggregateDocument(text))
    const without = canonicalJson({ ...rest, parents: parents.slice(1), gaps: [0] } as Json)
    for (const [document, given] of [
      [text, manifests.slice(1)],
      [text, manifests.toReversed()],
      [without, manifests],
      [text, [...manifests.slice(0, 9), utf8(round.packets[10]?.certified.manifestJson ?? '')]],
    ] as const)
      expect(answerAggregate(taskOver(document, given))).toMatchObject({ ok: false })
    expect(answerAggregate(taskOver(without, manifests.slice(1)))).toMatchObject({ ok: true })
  })
})
