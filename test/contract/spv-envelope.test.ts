import { describe, expect, test } from 'vitest'
import { readBump } from '../../src/contract/bump.ts'
import { bumpOf, proofOf } from '../../src/contract/spv-envelope.ts'
import { orThrow } from '../../src/core/fault.ts'

/** The sixth of six: its row ends odd above it, so the path repeats a node. */
const hex =
  '080302040098a9a7fc8a19d7a6dfb63ea5e9f608af3674a9dd9181ba7619c1f0d6094281e00502fb87a29c274bffbf03f2735823b6cabe36610b80062f1a516a09d2f793761e8501030101000070e33ec4b945510800cbfc195bf2cb1d23609b24b9f8e4d840a2a5d424776376'
const txid = '851e7693f7d2096a511a2f06800b6136becab6235873f203bfff4b279ca287fb'

describe('the path of a transaction at the end of an odd row', () => {
  test.each([
    ['an array', Uint8Array.from(Buffer.from(hex, 'hex'))],
    ['a Buffer, as a database gives it', Buffer.from(hex, 'hex')],
  ])('leads to its block, read from %s', (_, bytes) => {
    const bump = orThrow(readBump(bytes))
    const proof = proofOf(bump, txid)
    expect(proof && orThrow(bumpOf(proof, 8)).root).toBe(bump.root)
  })
})
