import { describe, expect, test } from 'vitest'
import { verifyProof } from '../../src/contract/verify.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { certifiedRound } from '../support/certified-round.ts'

const round = certifiedRound()
const everything = {
  logs: new Set([round.log.identityKey]),
  operators: new Set(round.operators.map(operator => operator.identityKey)),
  headers: round.chain.headers(),
  allowLocal: true,
}

describe('a proof', () => {
  test('x', () => {
    const text = canonicalJson(round.proof(1, 1))
    console.log(text.length)
    console.log(verifyProof(text, everything))
  })
})
