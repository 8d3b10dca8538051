import { describe, expect, test } from 'vitest'
import type { Carrier } from '../../../src/serve/lineage/known-version.ts'
import {
  judgeReadiness,
  type LineageVersion,
  type ReadinessDeps,
} from '../../../src/serve/lineage/readiness.ts'
import { onOneChain } from '../../../src/serve/lineage/steady-headers.ts'
import { headersUpTo, rootAt } from './made-up-lineage.ts'

const carrier = (versionId: string, change: Partial<Carrier> = {}): Carrier => ({
  ...{ versionId, txid: `tx of ${versionId}`, vout: 0, state: 'proven', revokedBy: null, coordinator: null },
  ...{ block: { height: 10, root: rootAt(10) }, ...change },
})
const at = (height: number) => ({ block: { height, root: rootAt(height) } })
const version = (versionId: string, ...carriers: Partial<Carrier>[]): LineageVersion => ({
  ...{ versionId, isKnown: true },
  carriers: carriers.map(change => carrier(versionId, change)),
})
const judge = (versions: readonly LineageVersion[], change: Partial<ReadinessDeps> = {}, policyId?: string) =>
  judgeReadiness('v', policyId, {
    readLineage: async (_, limit, tell) => {
      // One at a time, as the last page of a long one may come.
      for (const each of versions.slice(0, limit)) tell([each])
    },
    readSupersessions: async () => [],
    headers: headersUpTo(12),
    ...{ confirmationsMin: 1, versionsMax: 100 },
    ...change,
  })

describe('a verdict on a version', () => {
  test('counts confirmations by the least of its lineage', async () => {
    const lineage = [version('v', at(11)), version('parent', at(12)), version('first', at(2))]
    expect(await judge(lineage)).toMatchObject({ ready: true, reason: null, confirmations: 1 })
    expect(await judge(lineage, { confirmationsMin: 2 })).toMatchObject({
      ...{ ready: false, reason: 'insufficient-confs', confirmations: 1 },
      assay: { because: 'parent', versions: 3 },
    })
  })

  test('names the first of its lineage that is in no block, and counts nothing', async () => {
    const verdict = await judge([version('v', at(3)), version('parent', { block: null })])
    expect(verdict).toMatchObject({ ready: false, reason: 'missing-envelope:parent' })
    expect(verdict).not.toHaveProperty('confirmations')
    expect(await judge([version('v')])).toMatchObject({ reason: 'missing-envelope:v' })
  })

  test.each([
    ['unknown-block-hash', { block: { height: 10, root: 'of a block that was left behind' } }],
    ['merkle-root-unavailable', at(13)],
  ])('is against what a reorganisation has left behind: %s', async (reason, change) => {
    expect(await judge([version('v', change)])).toMatchObject({
      ready: false,
      reason,
      assay: { reorganised: ['v'] },
    })
    // Another proof of the same may hold.
    expect(await judge([version('v', change, at(10))])).toMatchObject({ ready: true })
  })

  test.each(['written', 'dead', 'revoked'] as const)(
    'counts no certificate that is %s, though a block has it',
    async state => {
      expect(await judge([version('v', { state })])).toMatchObject({ reason: 'missing-envelope:v' })
      expect(await judge([version('v', { state }, { state: 'anchored' })])).toMatchObject({ ready: true })
    },
  )

  test('is none on what it may not know of, and says of a parent no more than that it is missing', async () => {
    const hidden = { ...version('v', { state: 'revoked', revokedBy: 'x' }), isKnown: false }
    expect(await judge([hidden])).toMatchObject({ reason: 'not-found', assay: { versions: 0, revoked: [] } })
    expect(await judge([version('v', at(1)), { ...hidden, versionId: 'p' }])).toMatchObject({
      reason: 'missing-envelope:p',
      assay: { revoked: [] },
    })
  })

  test('is that a lineage is too long where not all of it was looked at', async () => {
    const verdict = await judge([version('v', at(1)), version('p', at(1))], { versionsMax: 1 })
    expect(verdict).toMatchObject({ ready: false, reason: 'lineage-too-long' })
    expect(verdict).not.toHaveProperty('confirmations')
  })

  test('names of those that stand or fall together the first ones, in the order of the lineage', async () => {
    const [left, behind] = [{ block: { height: 10, root: 'left behind' } }, at(13)]
    const lineage = Array.from({ length: 40 }, (_, n) => version(`v-${n}`, n % 2 === 0 ? left : behind))
    const { assay, reason } = await judge([version('v', at(1)), ...lineage])
    expect([reason, assay.because, assay.versions]).toEqual(['unknown-block-hash', 'v-0', 41])
    expect(assay.reorganised).toEqual(Array.from({ length: 16 }, (_, n) => `v-${n}`))
  })

  test('is that there are no headers where there are none', async () => {
    const headers = { ...headersUpTo(1), tip: async () => Promise.reject(new Error('none')) }
    expect(await judge([version('v')], { headers })).toMatchObject({
      ready: false,
      reason: 'headers-unavailable',
      assay: { tip: null },
    })
  })

  test('under a policy that nobody has is not ready, for that reason where there is no other', async () => {
    const policy = { policyId: 'p', known: false }
    expect(await judge([version('v', at(1))], {}, 'p')).toMatchObject({ reason: 'policy-unknown', policy })
    expect(await judge([version('v')], {}, 'p')).toMatchObject({ reason: 'missing-envelope:v', policy })
  })
})

describe('an answer on one chain', () => {
  test('is made again where the tip was another one at its end', async () => {
    const tips = ['a', 'b', 'b']
    let made = 0
    const headers = { ...headersUpTo(1), tip: async () => ({ height: 1, hash: tips.shift() ?? 'b' }) }
    expect(await onOneChain(headers, async () => ++made)).toBe(2)
  })

  test('is given also where the chain never rests', async () => {
    let n = 0
    const headers = { ...headersUpTo(1), tip: async () => ({ height: 1, hash: String(n++) }) }
    let made = 0
    expect(await onOneChain(headers, async () => ++made)).toBe(3)
  })
})
