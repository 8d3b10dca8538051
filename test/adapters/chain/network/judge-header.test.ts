import { describe, expect, test } from 'vitest'
import { type Anchor, anchors } from '../../../../src/adapters/chain/network/anchor.ts'
import { judgeHeader, placeGenesis } from '../../../../src/adapters/chain/network/judge-header.ts'
import { knownHex } from '../../../../src/core/bytes.ts'
import { EASY, HARD, MadeNetwork, madeHeader } from '../../../support/made-network.ts'

const root = new Uint8Array(32)
const network = new MadeNetwork()
const genesis = placeGenesis(network.anchor)
const judged = (header: Uint8Array, anchor: Partial<Anchor> = {}) => {
  const verdict = judgeHeader(header, genesis, { ...network.anchor, ...anchor })
  return verdict.ok ? 'good' : verdict.fault.detail
}

describe('the networks', () => {
  test('begin with the blocks that everybody knows', () => {
    expect(placeGenesis(anchors.mainnet)).toMatchObject({
      hash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
      work: 0x100010001n,
    })
    expect(placeGenesis(anchors.testnet).hash).toBe(
      '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943',
    )
  })

  test('go on as the main network did', () => {
    const first = knownHex(
      '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299',
    )
    expect(judgeHeader(first, placeGenesis(anchors.mainnet), anchors.mainnet)).toMatchObject({
      ok: true,
      value: {
        hash: '00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048',
        height: 1,
        work: 2n * 0x100010001n,
      },
    })
  })
})

describe('a header', () => {
  test('is good where it follows and has its work', () => {
    expect(judged(madeHeader(genesis.hash, root, EASY))).toBe('good')
    expect(judged(madeHeader(genesis.hash, root, HARD))).toBe('good')
  })

  test.each<[string, Uint8Array, Partial<Anchor>, string]>([
    ['names another one before it', madeHeader('ab'.repeat(32), root, EASY), {}, 'does not follow'],
    ['does not meet its target', madeHeader(genesis.hash, root, EASY, false), {}, 'lacks the work'],
    [
      'claims less work than any may',
      madeHeader(genesis.hash, root, EASY),
      { easiestBits: HARD },
      'less work than any block of this network may have',
    ],
    [
      'changes the difficulty too far',
      madeHeader(genesis.hash, root, HARD),
      { difficultySteps: 'bounded' },
      'changes the difficulty more than 4 times over',
    ],
    [
      'is another one than this network has at its height',
      madeHeader(genesis.hash, root, EASY),
      { checkpoints: new Map([[1, 'ab'.repeat(32)]]) },
      'these headers are of another network',
    ],
    ['is cut short', madeHeader(genesis.hash, root, EASY).subarray(0, 79), {}, '79 bytes'],
  ])('that %s is refused', (_, header, anchor, complaint) => {
    expect(judged(header, anchor)).toContain(complaint)
  })
})
