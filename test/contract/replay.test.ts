import { describe, expect, test } from 'vitest'
import { type ReplayMaterial, replayProof } from '../../src/contract/replay.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import { type CertifiedRound, certifiedRound, fusedEvents, fusedPolicy } from '../support/certified-round.ts'

/** The second packet builds on the state that the first one leaves. */
const round = certifiedRound({ policy: fusedPolicy, events: fusedEvents })
const proof = canonicalJson(round.proof(1, 0))

function materialOf({ packets, policySet }: CertifiedRound, member: number): ReplayMaterial {
  const [packet, before] = [packets[member], packets[member - 1]]
  const state =
    before === undefined || before.validated.stateOut === null ? null : before.validated.stateBytes
  return { lines: packet?.bytes ?? new Uint8Array(), policySet, state }
}

describe('a packet that is worked on again', () => {
  test('gives what was agreed, with the state that it builds on', () => {
    expect(materialOf(round, 1).state).not.toBeNull()
    for (const member of [0, 1])
      expect(replayProof(canonicalJson(round.proof(member, 0)), materialOf(round, member))).toEqual({
        kind: 'same',
        buildsOn: member === 0 ? null : round.packets[0]?.packetId,
      })
  })

  test('shows the stage at which all operators agreed on something else', () => {
    const outputHash = 'ab'.repeat(32)
    const made = certifiedRound({
      conspire: packet => ({ ...packet, normalized: { ...packet.normalized, outputHash } }),
    })
    const [packet] = made.packets
    expect(replayProof(canonicalJson(made.proof(0, 0)), materialOf(made, 0))).toMatchObject({
      kind: 'differs',
      stage: 'normalize',
      agreed: outcomeLeaf(packet?.packetId ?? '', outputHash, null),
    })
  })

  test.each<[string, (material: ReplayMaterial) => ReplayMaterial, string]>([
    ['other lines', material => ({ ...material, lines: utf8('{}\n') }), 'packet-invalid'],
    ['another policy', material => ({ ...material, policySet: otherPolicy }), 'policy-invalid'],
    ['no state', material => ({ ...material, state: null }), 'state-invalid'],
    ['another state', material => ({ ...material, state: utf8('{}') }), 'state-invalid'],
  ])('is not judged by %s than the proof names', (_, change, code) => {
    expect(replayProof(proof, change(materialOf(round, 1)))).toMatchObject({
      kind: 'impossible',
      fault: { code },
    })
  })

  test('is not judged by what is no proof', () => {
    expect(replayProof('{}', materialOf(round, 1))).toMatchObject({ kind: 'impossible' })
  })
})

const otherPolicy = orThrow(readPolicySet({ v: 1, sources: { '*': {} } }))
