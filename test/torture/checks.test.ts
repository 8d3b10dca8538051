import { describe, expect, test } from 'vitest'
import { againstLog, type Logged } from './checks/acknowledged.ts'
import { spentTwice } from './checks/spent-once.ts'
import { followStream } from './checks/streams.ts'
import { toldAsCertified } from './checks/told-as-certified.ts'
import type { Sent, Told } from './journals.ts'

describe('acknowledged = logged', () => {
  const logged = (id: number, seq = id): Logged => ({
    ...{ streamId: 'shared', sourceId: 'torture-0' },
    ...{ eventId: `event ${id}`, seq },
  })
  const answer = (id: number, more: Partial<Sent> = {}): Sent => ({
    ...{ sourceId: 'torture-0', id, kind: 'first', status: 'accepted' },
    ...{ eventId: `event ${id}`, seq: id, why: null, ...more },
  })
  const again = (id: number, more: Partial<Sent> = {}) =>
    answer(id, { kind: 'again', status: 'duplicate', seq: null, ...more })

  test('finds nothing wrong where nothing is', () => {
    expect(againstLog([answer(0), answer(1), again(0)], [logged(0), logged(1)])).toEqual([])
  })

  test.each<[string, Sent[], Logged[], RegExp]>([
    ['an event that is lost', [answer(0), answer(1)], [logged(0)], /which the log does not have/],
    ['one that nobody was told of', [answer(0)], [logged(0), logged(1)], /nobody was told so/],
    ['one in another place', [answer(0)], [logged(0, 4)], /acknowledged at 0, and the log has it at 4/],
    [
      'a retry that is taken for a repetition',
      [answer(0, { status: 'duplicate' })],
      [logged(0)],
      /first time/,
    ],
    [
      'a repetition that is taken for new',
      [answer(0), again(0, { status: 'accepted' })],
      [logged(0)],
      /sent again/,
    ],
    ['a repetition under another id', [answer(0), again(0, { eventId: 'other' })], [logged(0)], /other when/],
    [
      'a request that failed for good',
      [answer(0, { status: 'unanswered', why: 'gone' })],
      [logged(0)],
      /gone/,
    ],
  ])('finds %s', (_, sent, log, fault) => {
    expect(againstLog(sent, log).join('\n')).toMatch(fault)
  })
})

describe('what a reader was told', () => {
  const told = (message: object): Told => ({ cursor: 'here', told: { type: 'event', ...message } })
  const received = (firstSeq: number, lastSeq: number, type = 'received') =>
    told({ type, streamId: 'shared', partition: 0, firstSeq, lastSeq })
  const validated = (firstSeq: number, lastSeq: number) => received(firstSeq, lastSeq, 'validated')
  const gap = (from: number, to: number, more: object = {}) =>
    told({
      ...{ type: 'gap', stage: 'validated', streamId: 'shared', partition: 0, reason: 'split', ...more },
      ...{ from: { at: from, line: 0 }, to: { at: to, line: 0 } },
    })
  const split = (packetNo: number) =>
    told({
      ...{ type: 'gap', stage: 'certified', streamId: 'shared', partition: 0, reason: 'split', packetNo },
      ...{ from: { at: packetNo, line: 0 }, to: { at: packetNo + 1, line: 0 } },
    })
  const filled = (packetNo: number) =>
    told({
      ...{ type: 'filled', stage: 'certified', streamId: 'shared', partition: 0, packetNo },
      packetId: `packet ${packetNo}`,
    })
  const faultsOf = (...all: Told[]) => followStream('a reader', all).faults

  test('is sound where it is dense, or says where it is not', () => {
    expect(faultsOf(validated(0, 4), gap(5, 9), validated(9, 9))).toEqual([])
  })

  test('has what was passed by in a gap, and filled later', () => {
    expect(faultsOf(split(1), filled(1))).toEqual([])
  })

  test.each<[string, Told[], RegExp]>([
    ['a packet that is filled where no gap was', [split(0), filled(1)], /no gap has said/],
    ['a hole', [received(0, 4), received(6, 7)], /goes on with 6, where 5 comes next/],
    ['a repetition', [received(0, 4), received(4, 7)], /goes on with 4, where 5/],
    ['a gap in the wrong place', [validated(0, 4), gap(6, 9)], /from 6, where 5/],
    ['a gap where all bytes are', [validated(0, 4), gap(5, 9, { reason: 'unreadable' })], /nothing has gone/],
    ['a gap in what was received', [received(0, 4), gap(5, 9, { stage: 'received' })], /nothing has gone/],
  ])('has %s, and that is found', (_, messages, fault) => {
    expect(faultsOf(...messages).join('\n')).toMatch(fault)
  })
})

describe('what a reader was told is certified', () => {
  const packets = [
    { stream: 'shared', packetNo: 0, packetId: 'p0', first: 0, end: 2, versionId: 'v0' },
    { stream: 'shared', packetNo: 1, packetId: 'p1', first: 2, end: 3, versionId: 'v1' },
    { stream: 'shared', packetNo: 2, packetId: 'p2', first: 3, end: 5, versionId: 'v2' },
  ]
  const logged = [0, 1, 2, 3, 4].map(seq => ({
    ...{ streamId: 'shared', sourceId: 'torture-0', seq, eventId: `e${seq}` },
  }))
  const of = (packetNo: number) => ({
    ...{ streamId: 'shared', partition: 0, packetNo, packetId: `p${packetNo}`, versionId: `v${packetNo}` },
  })
  const told = (message: object): Told => ({ cursor: 'here', told: { type: 'event', ...message } })
  const event = (packetNo: number, line: number, more: object = {}) =>
    told({ ...of(packetNo), line, eventId: `e${(packets[packetNo]?.first ?? 0) + line}`, ...more })
  const lines = (packetNo: number, firstLine: number, lastLine: number, more: object = {}) =>
    told({ type: 'certified', ...of(packetNo), firstLine, lastLine, eventIds: null, ...more })
  const split = (packetNo: number) =>
    told({
      ...{ type: 'gap', stage: 'certified', streamId: 'shared', partition: 0, reason: 'split', packetNo },
      ...{ from: { at: packetNo, line: 0 }, to: { at: packetNo + 1, line: 0 } },
    })
  const filled = (packetNo: number) => told({ ...of(packetNo), type: 'filled', stage: 'certified' })
  const look = (...all: Told[]) => toldAsCertified('a reader', all, packets, logged)

  test('is what is certified, be it line by line, in runs, or filled later', () => {
    for (const all of [
      [event(0, 0), event(0, 1), event(1, 0), event(2, 0), event(2, 1)],
      [lines(0, 0, 1, { eventIds: ['e0', 'e1'] }), lines(1, 0, 0), lines(2, 0, 0), lines(2, 1, 1)],
      [event(0, 0), event(0, 1), split(1), lines(2, 0, 1), filled(1)],
    ])
      expect(look(...all)).toEqual({ faults: [], missing: 0 })
  })

  test('counts what is missing', () => {
    expect(look(event(0, 0), event(0, 1), split(1), lines(2, 0, 1))).toEqual({ faults: [], missing: 1 })
    expect(look(event(0, 0)).missing).toBe(4)
  })

  test.each<[string, Told[], RegExp]>([
    ['another version', [event(0, 0, { versionId: 'v7' })], /version v7, where there is p0, v0/],
    ['another packet', [event(0, 0, { packetId: 'p7' })], /as packet p7/],
    ['another event', [event(0, 0, { eventId: 'e4' })], /told of as e4, and the log has e0 there/],
    ['another event in a run', [lines(0, 0, 1, { eventIds: ['e0', 'e0'] })], /and the log has e1 there/],
    [
      'a packet from its middle',
      [lines(0, 0, 1), lines(1, 0, 0), event(2, 1)],
      /with 2:1, where 2:0 comes next/,
    ],
    ['an event that is told twice', [event(0, 0), event(0, 0)], /with 0:0, where 0:1 comes next/],
    ['the tail of a packet left out', [event(0, 0), event(1, 0)], /with 1:0, where 0:1 comes next/],
    ['a packet left out', [lines(0, 0, 1), lines(2, 0, 1)], /with 2:0, where 1:0 comes next/],
    ['a run that is told twice', [lines(0, 0, 1), lines(0, 0, 1)], /with 0:0, where 1:0 comes next/],
    ['a packet that there is not', [filled(7)], /where there is undefined/],
  ])('may be %s, and that is found', (_, messages, fault) => {
    expect(look(...messages).faults.join('\n')).toMatch(fault)
  })
})

describe('a chain', () => {
  const spending = (txid: string, ...coins: string[]) => ({
    txid,
    inputs: coins.map(coin => ({ txid: coin, vout: 0, script: new Uint8Array(0), sequence: 0 })),
  })
  test('that spends a coin twice is found', () => {
    expect(spentTwice([spending('aa', 'c1'), spending('bb', 'c2')])).toEqual([])
    expect(spentTwice([spending('aa', 'c1'), spending('bb', 'c1')]).join()).toMatch(
      /is spent by aa and by bb/,
    )
  })
})
