import { describe, expect, test } from 'vitest'
import { cached, cacheTtlMs } from '../../agents/kit/cache.ts'
import type { PacketTask } from '../../agents/kit/packet-task.ts'
import { accepted, refused } from '../../src/core/fault.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { certifiedRound } from '../support/certified-round.ts'

const round = certifiedRound()

describe('the memory of an agent', () => {
  test.each(['normalize', 'validate', 'certify'] as const)(
    'answers again at %s until the time of the stage is over',
    stage => {
      const { answer, asked, lookups, later } = bed()
      answer(taskOf(stage))
      later(cacheTtlMs[stage] - 1)
      expect(answer(taskOf(stage))).toEqual(answer(taskOf(stage)))
      expect(asked).toHaveLength(1)
      later(1)
      answer(taskOf(stage))
      expect(asked).toHaveLength(2)
      expect(lookups).toEqual(['miss', 'hit', 'hit', 'miss'])
    },
  )

  test.each([
    ['packet', { packetId: '11'.repeat(32) }],
    ['stage', { stage: 'certify' }],
    ['state', { place: { parent: null, stateIn: '22'.repeat(32) } }],
    [
      'parent',
      { place: { parent: { packetId: '33'.repeat(32), versionId: '44'.repeat(32) }, stateIn: null } },
    ],
    [
      'input',
      { agreed: { leaf: '55'.repeat(32), output: none(), outputHash: '', state: none(), stateOut: null } },
    ],
    ['policy', { header: { ...taskOf('normalize').header, policyDigest: '66'.repeat(32) } }],
  ] as const)('knows a task with another %s from this one', (_, change) => {
    const { answer, asked } = bed()
    answer(taskOf('normalize'))
    answer({ ...taskOf('normalize'), ...change })
    expect(asked).toHaveLength(2)
  })

  test('lets go of what was not asked for longest, and stays within its bytes', () => {
    const { answer, asked, bytes } = bed({ bytesMax: 2 * 1612 })
    const [a, b, c] = ['aa', 'bb', 'cc'].map(byte => ({ ...taskOf('normalize'), packetId: byte.repeat(32) }))
    if (a === undefined || b === undefined || c === undefined) throw new Error('there are three')
    for (const task of [a, b, a, c]) answer(task)
    expect(bytes()).toBe(2 * 1612)
    answer(a)
    expect(asked).toHaveLength(3)
    answer(b)
    expect(asked).toHaveLength(4)
  })

  test('keeps nothing that is larger than all of it', () => {
    const { answer, bytes } = bed({ bytesMax: 100 })
    answer(taskOf('normalize'))
    expect(bytes()).toBe(0)
  })

  test('does not remember faults', () => {
    let asked = 0
    const { answer } = cached(
      () => {
        asked += 1
        return refused('packet-invalid', 'not now')
      },
      { bytesMax: 10_000, now: () => 0, onLookup: () => undefined },
    )
    answer(taskOf('normalize'))
    answer(taskOf('normalize'))
    expect(asked).toBe(2)
  })
})

function bed({ bytesMax = 1_000_000 } = {}) {
  const asked: PacketTask[] = []
  const lookups: string[] = []
  let nowMs = 1_000
  const { answer, bytes } = cached(
    task => {
      asked.push(task)
      return accepted({ leaf: task.packetId, output: new Uint8Array(1_000), state: new Uint8Array(100) })
    },
    { bytesMax, now: () => nowMs, onLookup: found => lookups.push(found) },
  )
  const later = (ms: number) => {
    nowMs += ms
  }
  return { answer, bytes, asked, lookups, later }
}

function taskOf(stage: Stage): PacketTask {
  const [packet] = round.packets
  if (packet === undefined) throw new Error('a round has packets')
  return {
    ...{ stage, level: 'enhanced', header: packet.header, packetId: packet.packetId, lines: packet.bytes },
    ...{ policySet: round.policySet, place: { parent: null, stateIn: null }, state: null },
    ...{ agreed: undefined, normalizeLeaf: undefined },
  }
}

function none(): Uint8Array {
  return new Uint8Array(0)
}
