import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Level, levels, quorums } from '../../../src/core/level.ts'
import { type Vote, verdicts } from '../../../src/core/rounds/agreement.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'

const X = 'a'.repeat(64)
const Y = 'b'.repeat(64)

function vote(operator: string, ...leaves: string[]): Vote {
  return { operator, status: 'completed', leaves }
}

function on(level: Level, ...votes: Vote[]) {
  return verdicts(level, 1, votes)[0]
}

describe('a quorum', () => {
  test('is one of one, two of three, three of three', () => {
    expect(on('basic', vote('a', X))).toEqual({ kind: 'agreed', leaf: X })
    expect(on('enhanced', vote('a', X))).toEqual({ kind: 'waiting' })
    expect(on('enhanced', vote('a', X), vote('b', X))).toEqual({ kind: 'agreed', leaf: X })
    expect(on('critical', vote('a', X), vote('b', X))).toEqual({ kind: 'waiting' })
    expect(on('critical', vote('a', X), vote('b', X), vote('c', X))).toEqual({ kind: 'agreed', leaf: X })
  })

  test('of an enhanced job outvotes one that dissents; a critical one does not', () => {
    expect(on('enhanced', vote('a', Y), vote('b', X), vote('c', X))).toEqual({ kind: 'agreed', leaf: X })
    expect(on('critical', vote('a', Y), vote('b', X), vote('c', X))).toEqual({ kind: 'dissent' })
  })

  test('cannot be reached by one operator answering twice', () => {
    expect(on('enhanced', vote('a', X), vote('a', X))).toEqual({ kind: 'waiting' })
  })

  test('does not count an operator that says two things', () => {
    expect(on('enhanced', vote('a', X), vote('a', Y), vote('b', X))).toEqual({ kind: 'waiting' })
    expect(on('enhanced', vote('a', X), vote('a', Y), vote('a', X), vote('b', X))).toEqual({
      kind: 'waiting',
    })
  })

  test('is never made of silence, of failures, or of leaves that are not there', () => {
    expect(on('enhanced', vote('a', noLeaf), vote('b', noLeaf))).toEqual({ kind: 'waiting' })
    expect(on('enhanced', vote('a'), vote('b'))).toEqual({ kind: 'waiting' })
    const failed: Vote = { operator: 'b', status: 'failed', leaves: [X] }
    expect(on('enhanced', vote('a', X), failed)).toEqual({ kind: 'waiting' })
  })

  test('is judged member by member', () => {
    expect(verdicts('enhanced', 3, [vote('a', X, X, X), vote('b', X, Y, noLeaf)])).toEqual([
      { kind: 'agreed', leaf: X },
      { kind: 'dissent' },
      { kind: 'waiting' },
    ])
  })

  test('does not depend on the order of the votes, and has the operators that it claims', () => {
    const votes = fc.array(
      fc.record({
        operator: fc.constantFrom('a', 'b', 'c'),
        status: fc.constantFrom('completed' as const, 'failed' as const),
        leaves: fc.array(fc.constantFrom(X, Y, noLeaf), { maxLength: 3 }),
      }),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(fc.constantFrom(...levels), votes, (level, votes) => {
        const found = verdicts(level, 3, votes)
        expect(verdicts(level, 3, votes.toReversed())).toEqual(found)
        for (const [member, verdict] of found.entries()) {
          if (verdict.kind !== 'agreed') continue
          const behind = new Set(
            votes
              .filter(({ status, leaves }) => status === 'completed' && leaves[member] === verdict.leaf)
              .map(({ operator }) => operator),
          )
          expect(behind.size).toBeGreaterThanOrEqual(quorums[level].agreeing)
        }
      }),
    )
  })

  test('is more than half of the seats, so that a member never has two', () => {
    for (const { agreeing, seats } of Object.values(quorums)) expect(2 * agreeing).toBeGreaterThan(seats)
  })
})
