import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { readPosition, writePosition } from '../../src/client/subscribe/position.ts'
import {
  type Lost,
  lose,
  partitionBegins,
  type Standing,
  step,
  stepOver,
} from '../../src/client/subscribe/standing.ts'
import { haveNoLines } from '../../src/client/subscribe/verify-as-you-read.ts'
import type { ProofLevel } from '../../src/contract/verify.ts'

/** Packets of so many lines each, by their number, as a log has them. */
const log = [2, 3, 0, 0, 1, 2]
const idOf = (packetNo: number) => `packet ${packetNo}`
const previousOf = (packetNo: number) => (packetNo === 0 ? null : idOf(packetNo - 1))
const lines = log.flatMap((count, packetNo) =>
  Array.from({ length: count }, (_, line) => ({ packetNo, line })),
)

const header = (previous: string | null) => ({ previous })
/** Goes on from where it stands, and says how. */
function walk(standing: Standing | Lost | undefined, told: readonly { packetNo: number; line: number }[]) {
  const kinds: string[] = []
  let at = standing
  for (const { packetNo, line } of told) {
    const contents = { header: header(previousOf(packetNo)), output: Array(log[packetNo]).fill('') }
    const stepped = step(at, { packetNo, line, packetId: idOf(packetNo) }, contents)
    kinds.push(stepped.kind)
    if (stepped.kind === 'hole') break
    at = stepped.to
  }
  return { kinds, at }
}

describe('the lines of a partition', () => {
  test('are dense one after the other, but for packets without any', () => {
    expect(walk(partitionBegins, lines)).toEqual({
      kinds: ['next', 'next', 'next', 'next', 'next', 'next-if-empty', 'next', 'next'],
      at: { at: log.length, line: 0, packetId: idOf(log.length - 1) },
    })
  })

  test('have a hole wherever one is left out, said twice, or changes places with another', () => {
    for (const [i, line] of lines.entries()) {
      const leftOut = lines.filter(each => each !== line)
      const isLast = i === lines.length - 1
      const seen = walk(partitionBegins, leftOut).kinds
      // One line that is a packet by itself leaves what looks like empty packets, which are then asked about.
      const isWhole = log[line.packetNo] === 1
      expect([line, seen.includes('hole')]).toEqual([line, !isLast && !isWhole])
      expect(walk(partitionBegins, [...lines.slice(0, i + 1), ...lines.slice(i)]).kinds).toContain('hole')
      const next = lines[i + 1]
      if (next !== undefined) {
        const swapped = [...lines.slice(0, i), next, line, ...lines.slice(i + 2)]
        expect(walk(partitionBegins, swapped).kinds).toContain('hole')
      }
    }
  })

  test('go on in the middle, and from anywhere where nobody has read before', () => {
    for (let from = 0; from < lines.length; from++) {
      const { at } = walk(partitionBegins, lines.slice(0, from))
      expect(walk(at, lines.slice(from)).kinds).not.toContain('hole')
      expect(walk(undefined, lines.slice(from)).kinds).not.toContain('hole')
    }
  })

  test('have a hole where a packet builds on another one than was read', () => {
    const { at } = walk(partitionBegins, lines.slice(0, 2))
    const forked = { header: header('another packet'), output: ['', '', ''] }
    expect(step(at, { packetNo: 1, line: 0, packetId: idOf(1) }, forked)).toMatchObject({ kind: 'hole' })
    const within = walk(partitionBegins, lines.slice(0, 3)).at
    expect(step(within, { packetNo: 1, line: 1, packetId: 'another' }, forked)).toMatchObject({
      kind: 'hole',
    })
  })

  test('go on anywhere behind what could not be checked, and nowhere before it', () => {
    const { at } = walk(partitionBegins, lines.slice(0, 4))
    const lost = lose(at)
    expect(lost).toEqual({ notBefore: { at: 1, line: 2 } })
    expect([lose(lost), lose(undefined)]).toEqual([lost, { notBefore: { at: 0, line: 0 } }])
    for (let from = 0; from < lines.length; from++)
      expect([from, walk(lost, lines.slice(from)).kinds.includes('hole')]).toEqual([from, from < 4])
  })

  test('go on behind a gap, whatever was before it', () => {
    expect(stepOver({ to: { at: 7, line: 0 } })).toEqual({ at: 7, line: 0, packetId: null })
    expect(stepOver({ to: null })).toBeUndefined()
  })
})

describe('packets of which nothing was told', () => {
  /** The packet that operators have certified whom the reader does not know. */
  let unlisted: number | undefined
  afterEach(() => {
    unlisted = undefined
  })
  const packets = {
    proof: async (packetId: string) => {
      const packetNo = Number(packetId.slice('packet '.length))
      const counts = { sha256: '', root: '', count: log[packetNo] ?? 0 }
      const packet = {
        ...{ packetId, packetNo, previous: previousOf(packetNo), stream: 's', partition: 0, firstSeq: 0 },
        ...{ count: counts.count, lines: counts, output: counts },
      }
      const level: ProofLevel = packetNo === unlisted ? 'consistent' : 'signed'
      return { kind: 'fetched', value: { packet, level, shortfall: 'nobody knows them' } } as const
    },
  }
  const asked = (count: number, last: number, after: number | null) =>
    haveNoLines(
      { count, previous: idOf(last), after: after === null ? null : idOf(after) },
      packets,
      'signed',
    )

  test('are proven to have no lines, each by the one behind it', async () => {
    expect(await asked(2, 3, 1)).toBe(true)
    expect(await asked(2, 3, null)).toBe(true)
    expect(await asked(2, 3, 0)).toBe('they build on another packet')
    expect(await asked(3, 3, 0)).toBe('packet 1 has 3 lines')
    expect(await asked(100, 3, 1)).toContain('more than')
  })

  test('are not empty by the word of operators whom the reader does not trust', async () => {
    for (unlisted of [2, 3])
      expect(await asked(2, 3, 1)).toBe(
        `of packet ${unlisted} the proof is consistent, and signed is required: nobody knows them`,
      )
  })
})

describe('a position', () => {
  test('is read as it was written, and is the word of the node alone where nothing was checked', () => {
    const place = fc.record({
      at: fc.nat(),
      line: fc.nat(),
      packetId: fc.option(fc.stringMatching(/^[0-9a-f]{64}$/)),
    })
    const lost = fc.record({ notBefore: fc.record({ at: fc.nat(), line: fc.nat() }) })
    const position = fc.record({
      token: fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
      standings: fc.record({
        fromStart: fc.boolean(),
        places: fc
          .array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.oneof(place, lost)))
          .map(entries => new Map(entries)),
      }),
    })
    fc.assert(
      fc.property(position, given => {
        expect(readPosition(writePosition(given))).toEqual(given)
      }),
    )
    expect(writePosition({ token: 'abc', standings: { fromStart: false, places: new Map() } })).toBe('abc')
    for (const odd of [
      '',
      '.',
      'abc.',
      'abc.x',
      'abc.%',
      'a b',
      'abc.[2,false,[]]',
      'abc.[1,false,[["s",-1,0,null]]]',
    ])
      expect(() => readPosition(odd), odd).toThrow('not one that was handed out')
  })
})
