import { describe, expect, test } from 'vitest'
import {
  certifiedBy,
  enterRound,
  isOvertaken,
  isPassedBy,
  reopenSplit,
  settledInBlock,
} from '../../../../src/core/rounds/coordinating/standing.ts'
import { certified, packet, versionOf } from '../packets.ts'

describe('a packet', () => {
  test('is passed by once a later one of its partition is certified or split', () => {
    expect(isPassedBy(packet('a0'), [packet('a0'), packet('a1'), certified('b1')])).toBe(false)
    expect(isPassedBy(packet('a0'), [packet('a0'), certified('a1')])).toBe(true)
    expect(isPassedBy(packet('a0'), [packet('a0'), packet('a1', { status: 'split' })])).toBe(true)
    expect(isPassedBy(packet('a2'), [certified('a1')])).toBe(false)
  })

  test('is overtaken once one behind it is certified, and by none that was split beside it', () => {
    expect(isOvertaken(packet('a0'), [certified('a1')])).toBe(true)
    expect(isOvertaken(packet('a0'), [packet('a1', { status: 'split' }), certified('b1')])).toBe(false)
  })

  test('keeps its first version whatever certifies it again', () => {
    const first = certifiedBy(packet('a0'), 't1', versionOf('a0'))
    expect(certifiedBy(first, 't2', versionOf('a9'))).toMatchObject({
      certificate: 't2',
      version: versionOf('a0'),
    })
  })

  test('has all its rebuilds before it again once a block has its certificate, not once it is sent', () => {
    const rebuilding = certified('a0', { status: 'rebuilding', certificate: null, rebuilds: 4 })
    const again = certifiedBy(rebuilding, 't2', versionOf('a0'))
    expect(again).toMatchObject({ rebuilds: 4 })
    expect(settledInBlock(again)).toEqual({ ...again, rebuilds: 0 })
  })

  test('counts a rebuild apart from its tries', () => {
    expect(enterRound(packet('a0'), 'r')).toMatchObject({
      status: 'open',
      roundId: 'r',
      rounds: 1,
      rebuilds: 0,
    })
    expect(enterRound(certified('a0'), 'r')).toMatchObject({
      status: 'rebuilding',
      rounds: 1,
      rebuilds: 1,
      tries: 0,
    })
  })

  test('that split can be opened again, and nothing else can', () => {
    const split = packet('a0', { status: 'split', tries: 5, roundPacketsMax: 1, waitedMs: 9, rounds: 6 })
    expect(reopenSplit(split)).toEqual(packet('a0', { rounds: 6 }))
    expect(reopenSplit(certified('a0'))).toEqual(certified('a0'))
  })
})
