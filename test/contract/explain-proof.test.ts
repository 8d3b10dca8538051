import { describe, expect, test } from 'vitest'
import { explainProof } from '../../src/contract/explain-proof.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type CertifiedRound, certifiedRound, sampleEvent, samplePolicy } from '../support/certified-round.ts'

/** A value may not fall, which a rule can only say that remembers, also over the end of a packet. */
const policy: Json = {
  ...samplePolicy,
  sources: { '*': { ...samplePolicy.sources['*'], constraints: { monotonicFields: ['celsius'] } } },
}
const events = [
  [sampleEvent(0, 20), sampleEvent(1, 19), sampleEvent(2, 21)],
  [sampleEvent(3, 20.5), sampleEvent(4, '22'), sampleEvent(5, null)],
]
const round = certifiedRound({ policy, events })

function materialOf({ packets, policySet }: CertifiedRound, member: number) {
  const [packet, before] = [packets[member], packets[member - 1]]
  const state =
    before === undefined || before.validated.stateOut === null ? null : before.validated.stateBytes
  return { lines: packet?.bytes ?? new Uint8Array(), policySet, state }
}

const explained = (member: number, index: number) =>
  orThrow(explainProof(canonicalJson(round.proof(member, index)), materialOf(round, member)))

describe('an event that is explained', () => {
  test('has every issue that was certified about it, and no other', () => {
    const all = events.flatMap((packet, member) =>
      packet.map((_, index) => {
        const { issues = [] }: { issues?: string[] } = JSON.parse(round.proof(member, index).certified.line)
        const said = explained(member, index).flatMap(({ issue }) => issue?.text ?? [])
        expect(said).toEqual(issues)
        return issues.length
      }),
    )
    // The second fell after the first, the fourth after the packet before; the last is no number.
    expect(all.map(count => count > 0)).toEqual([false, true, false, true, false, true])
  })

  test('shows each step from what was sent to what was agreed', () => {
    expect(explained(1, 1)).toMatchObject([
      { rule: 'map', field: '/celsius', from: '/value', after: '22' },
      { rule: 'map', field: '/sensor' },
      { rule: 'coercion:number', field: '/celsius', before: '22', after: 22 },
    ])
  })

  test.each([
    ['another policy', { policySet: certifiedRound().policySet }, 'policy-invalid'],
    ['another state', { state: null }, 'state-invalid'],
    ['other lines', { lines: new TextEncoder().encode('{}\n') }, 'packet-invalid'],
  ])('is not explained by %s than the proof names', (_, change, code) => {
    const given = { ...materialOf(round, 1), ...change }
    expect(explainProof(canonicalJson(round.proof(1, 0)), given)).toMatchObject({ fault: { code } })
  })
})
