import { describe, expect, test } from 'vitest'
import {
  endOfThread,
  type NetworkView,
  recoverRound,
  transactionsToResend,
} from '../../../../src/core/rounds/coordinating/recover.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { Outpoint, PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { honestChain } from '../chain.ts'
import { certified, packet, versionOf } from '../packets.ts'

const chain = honestChain('enhanced')

function at(txid: string): PipelineTransaction {
  const transaction = chain.get(txid)
  if (transaction === undefined) throw new Error(`no ${txid}`)
  return transaction
}

/** A network in which these are alive. */
function networkWith(...live: PipelineTransaction[]): NetworkView {
  const spends = (transaction: PipelineTransaction, { txid, vout }: Outpoint) =>
    transaction.inputs.some(input => input.txid === txid && input.vout === vout)
  return {
    isLive: txid => live.some(transaction => transaction.txid === txid),
    spenderOf: outpoint => live.find(transaction => spends(transaction, outpoint)),
  }
}

const first = at('job normalize')
const validate = at('job validate')
const close: PipelineTransaction = {
  txid: 'close',
  inputs: [{ txid: first.txid, vout: 3 }],
  role: { kind: 'plain' },
}

describe('event job coordination: the end of a thread', () => {
  test('is the last live transaction on it', () => {
    expect(endOfThread(first, networkWith(first))).toBe(first)
    expect(endOfThread(first, networkWith(first, validate))).toBe(validate)
    expect(endOfThread(first, networkWith(first, validate, at('job certify'), at('certificate')))).toBe(
      at('certificate'),
    )
    expect(endOfThread(first, networkWith(first, close))).toBe(close)
  })

  test('is nowhere once the first job is dead', () => {
    expect(endOfThread(first, networkWith(validate))).toBeUndefined()
  })
})

describe('event job coordination: after an anchor was lost', () => {
  const mine = (name: string, more: Partial<PacketStanding> = {}) =>
    certified(name, { roundId: 'r', ...more })

  test('the round goes on from its last live job, with the packets that have not left it', () => {
    const packets = [
      mine('a0', { certificate: 'dead' }),
      packet('b0', { status: 'open', roundId: 'r' }),
      packet('c0'),
    ]
    expect(recoverRound('r', packets, validate, networkWith(first, validate))).toEqual({
      next: 'resume',
      revoke: [],
      packets: [{ ...packets[0], status: 'rebuilding', certificate: null }, packets[1], packets[2]],
    })
  })

  test('the round is closed where all have left it meanwhile', () => {
    const packets = [packet('a0'), packet('b0', { status: 'open', roundId: 'another round' })]
    expect(recoverRound('r', packets, validate, networkWith(first, validate))).toMatchObject({
      next: 'close',
      packets,
    })
  })

  test('nobody stays in a round that was closed or is gone', () => {
    const packets = [mine('a0'), packet('b0', { status: 'open', roundId: 'r' })]
    for (const end of [close, undefined])
      expect(recoverRound('r', packets, end, networkWith(first, close))).toMatchObject({
        next: 'over',
        packets: [
          { status: 'unanchored', certificate: null, roundId: null },
          { status: 'sealed', roundId: null },
        ],
      })
  })
})

describe('event job coordination: a certificate that came back', () => {
  const members = [
    { index: 0, versionId: versionOf('a0').versionId },
    { index: 1, versionId: versionOf('b0').versionId },
  ]
  const { role, ...rest } = at('certificate')
  const back: PipelineTransaction = {
    ...rest,
    role: role.kind === 'certificate' ? { ...role, members } : role,
  }
  const lost = (name: string) => certified(name, { status: 'unanchored', roundId: null, certificate: null })

  test('is taken as it is', () => {
    const { next, revoke, packets } = recoverRound('r', [lost('a0'), lost('b0')], back, networkWith(back))
    expect({ next, revoke }).toEqual({ next: 'over', revoke: [] })
    expect(packets).toMatchObject(
      ['a0', 'b0'].map(() => ({ status: 'certified', certificate: 'certificate', roundId: 'r' })),
    )
  })

  test('is spent at once for a packet that has another live one', () => {
    const other: PipelineTransaction = { txid: 'rebuilt', inputs: [], role: { kind: 'plain' } }
    const rebuilt = certified('b0', { certificate: 'rebuilt', roundId: 'a later round' })
    const { revoke, packets } = recoverRound('r', [lost('a0'), rebuilt], back, networkWith(back, other))
    expect(revoke).toEqual([1])
    expect(packets[1]).toEqual(rebuilt)
    expect(recoverRound('r', [lost('a0'), rebuilt], back, networkWith(back)).revoke).toEqual([])
  })

  test('is not taken for a packet whose token in it was spent', () => {
    const revocation: PipelineTransaction = {
      txid: 'revocation',
      inputs: [{ txid: 'certificate', vout: 3 }],
      role: { kind: 'plain' },
    }
    const { packets } = recoverRound('r', [lost('a0'), lost('b0')], back, networkWith(back, revocation))
    expect(packets).toMatchObject([{ status: 'certified' }, { status: 'unanchored' }])
  })

  test('is spent where it names another version than the one certified first', () => {
    const other = { ...lost('b0'), version: versionOf('b7') }
    expect(recoverRound('r', [lost('a0'), other], back, networkWith(back)).revoke).toEqual([1])
  })

  test('leaves out whoever was being rebuilt in its round without being in it', () => {
    const third = certified('c0', { status: 'rebuilding', roundId: 'r', certificate: null })
    const { packets } = recoverRound('r', [lost('a0'), lost('b0'), third], back, networkWith(back))
    expect(packets[2]).toMatchObject({ status: 'unanchored', roundId: null })
  })
})

describe('event job coordination: after a crash', () => {
  test('what was stored is sent again, without what was recorded dead', () => {
    const stored = [{ txid: 'a' }, { txid: 'b' }, { txid: 'c' }]
    expect(transactionsToResend(stored, new Set(['b']))).toEqual([{ txid: 'a' }, { txid: 'c' }])
  })
})
