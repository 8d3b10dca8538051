import { describe, expect, test } from 'vitest'
import type { DlmVersion } from '../../../src/core/certificate/dlm-version.ts'
import { collectLineage } from '../../../src/serve/lineage/collect-lineage.ts'
import { chainOf, readingFrom, versionOf } from './made-up-lineage.ts'

const bounds = { versionsMax: 100, bytesMax: 10_000 }
const collect = (target: DlmVersion | undefined, depth: number, all: readonly DlmVersion[], changed = {}) =>
  collectLineage(target?.versionId ?? '', depth, readingFrom(all), { ...bounds, ...changed })
const ids = (versions: readonly DlmVersion[]) => versions.map(({ versionId }) => versionId)

describe('the lineage of a version', () => {
  test('is as many generations as are asked for, and names what comes after', async () => {
    const chain = chainOf(64)
    const collected = await collect(chain[0], 8, chain)
    expect(collected).toMatchObject({ kind: 'collected', beyond: ids(chain.slice(9, 10)) })
    if (collected.kind !== 'collected') throw new Error(collected.kind)
    expect(ids(collected.versions.map(({ version }) => version))).toEqual(ids(chain.slice(0, 9)))
    expect(await collect(chain[0], 63, chain)).toMatchObject({ kind: 'collected', beyond: [] })
    expect(await collect(chain[0], 0, chain)).toMatchObject({ beyond: ids(chain.slice(1, 2)) })
  })

  test('of a rollup over 64 packets that descend from each other has each of them once', async () => {
    const chain = chainOf(64)
    const rollup = versionOf('rollup', ids(chain))
    const collected = await collect(rollup, 8, [rollup, ...chain])
    if (collected.kind !== 'collected') throw new Error(collected.kind)
    expect(collected.versions).toHaveLength(65)
    expect(collected.beyond).toEqual([])
  })

  test('is incomplete where a manifest is missing, however deep', async () => {
    const chain = chainOf(6)
    const missing = chain[4]?.versionId
    expect(
      await collect(
        chain[0],
        8,
        chain.filter(({ versionId }) => versionId !== missing),
      ),
    ).toEqual({ kind: 'missing', versionId: missing })
  })

  test('that is more than an answer holds says at which generation', async () => {
    const chain = chainOf(20)
    expect(await collect(chain[0], 19, chain, { versionsMax: 10 })).toEqual({
      kind: 'too-large',
      atDepth: 10,
    })
    expect(await collect(chain[0], 19, chain, { bytesMax: 1_000 })).toEqual({
      kind: 'too-large',
      atDepth: 10,
    })
  })

  test('ends also where a version would descend from itself, which no hash allows', async () => {
    const [a, b] = [versionOf('a'), versionOf('b')]
    const wrong = [
      { ...a, parents: [b.versionId] },
      { ...b, parents: [a.versionId, b.versionId] },
    ]
    const collected = await collect(a, 64, wrong)
    if (collected.kind !== 'collected') throw new Error(collected.kind)
    expect(collected.versions).toHaveLength(2)
  })
})
