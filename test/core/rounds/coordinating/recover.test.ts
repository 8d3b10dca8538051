import { describe, expect, test } from 'vitest'
import { REBUILDS_MAX } from '../../../../src/core/rounds/coordinating/leave.ts'
import {
  type HeldRound,
  recoverRound,
  transactionsToResend,
} from '../../../../src/core/rounds/coordinating/recover.ts'
import type { PacketStanding } from '../../../../src/core/rounds/coordinating/standing.ts'
import type { NetworkView } from '../../../../src/core/rounds/coordinating/thread.ts'
import type { PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { honestChain } from '../chain.ts'
import { networkWith } from '../network-with.ts'
import { certified, packet, versionOf } from '../packets.ts'

const chain = honestChain('enhanced')

function at(txid: string): PipelineTransaction {
  const transaction = chain.get(txid)
  if (transaction === undefined) throw new Error(`no ${txid}`)
  return transaction
}

const first = at('job normalize')
const validate = at('job validate')
const close: PipelineTransaction = {
  txid: 'close',
  inputs: [{ txid: first.txid, vout: 3 }],
  role: { kind: 'plain' },
}

/** Where the round r stands, last seen at a transaction that died. */
function recovered(
  packets: readonly PacketStanding[],
  end: PipelineTransaction | undefined,
  network: NetworkView,
  more: Partial<HeldRound> = {},
) {
  return recoverRound({ roundId: 'r', packets, last: 'dead', inFlight: false, ...more }, end, network)
}

describe('event job coordination: after an anchor was lost', () => {
  const mine = (name: string, more: Partial<PacketStanding> = {}) =>
    certified(name, { roundId: 'r', ...more })

  test('the round goes on from its last live job, with the packets that have not left it', () => {
    const packets = [
      mine('a0', { certificate: 'dead' }),
      packet('b0', { status: 'open', roundId: 'r' }),
      packet('c0'),
    ]
    expect(recovered(packets, validate, networkWith(first, validate))).toEqual({
      next: 'resume',
      revoke: [],
      packets: [{ ...packets[0], status: 'rebuilding', certificate: null }, packets[1], packets[2]],
    })
  })

  test('the round is closed where all have left it meanwhile', () => {
    const packets = [packet('a0'), packet('b0', { status: 'open', roundId: 'another round' })]
    expect(recovered(packets, validate, networkWith(first, validate))).toMatchObject({
      next: 'close',
      packets,
    })
  })

  test('nothing changes while it stands where it stood, or the network has not answered', () => {
    const packets = [packet('b0', { status: 'open', roundId: 'r' })]
    const nothing = { next: 'none', revoke: [], packets }
    const network = networkWith(first, validate)
    expect(recovered(packets, validate, network, { last: validate.txid })).toEqual(nothing)
    expect(recovered(packets, validate, network, { inFlight: true })).toEqual(nothing)
  })

  test('nobody stays in a round that was closed or is gone', () => {
    const packets = [mine('a0'), packet('b0', { status: 'open', roundId: 'r' })]
    for (const end of [close, undefined])
      expect(recovered(packets, end, networkWith(first, close))).toMatchObject({
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
    const { next, revoke, packets } = recovered([lost('a0'), lost('b0')], back, networkWith(back))
    expect({ next, revoke }).toEqual({ next: 'over', revoke: [] })
    expect(packets).toMatchObject(
      ['a0', 'b0'].map(() => ({ status: 'certified', certificate: 'certificate', roundId: 'r' })),
    )
  })

  test('is spent at once for a packet that has another live one', () => {
    const other: PipelineTransaction = { txid: 'rebuilt', inputs: [], role: { kind: 'plain' } }
    const rebuilt = certified('b0', { certificate: 'rebuilt', roundId: 'a later round' })
    const { revoke, packets } = recovered([lost('a0'), rebuilt], back, networkWith(back, other))
    expect(revoke).toEqual([1])
    expect(packets[1]).toEqual(rebuilt)
    expect(recovered([lost('a0'), rebuilt], back, networkWith(back)).revoke).toEqual([])
  })

  test('is not taken for a packet whose token in it was spent', () => {
    const revocation: PipelineTransaction = {
      txid: 'revocation',
      inputs: [{ txid: 'certificate', vout: 3 }],
      role: { kind: 'plain' },
    }
    const { packets } = recovered([lost('a0'), lost('b0')], back, networkWith(back, revocation))
    expect(packets).toMatchObject([{ status: 'certified' }, { status: 'unanchored' }])
  })

  test('is spent where it names another version than the one certified first', () => {
    const other = { ...lost('b0'), version: versionOf('b7') }
    expect(recovered([lost('a0'), other], back, networkWith(back)).revoke).toEqual([1])
  })

  test('frees whoever waits in its round for a certificate that is not taken', () => {
    const open = packet('a0', { status: 'open', roundId: 'r' })
    const rebuilding = certified('b0', { status: 'rebuilding', roundId: 'r', certificate: null })
    const freed = [
      { status: 'sealed', roundId: null },
      { status: 'unanchored', roundId: null },
    ]
    const other = { ...rebuilding, version: versionOf('b7') }
    expect(recovered([open, other], back, networkWith(back))).toMatchObject({
      revoke: [0, 1],
      packets: freed,
    })
    const spent = [1, 3].map(
      (vout): PipelineTransaction => ({
        txid: `revocation ${vout}`,
        inputs: [{ txid: 'certificate', vout }],
        role: { kind: 'plain' },
      }),
    )
    expect(recovered([open, rebuilding], back, networkWith(back, ...spent))).toMatchObject({
      revoke: [],
      packets: freed,
    })
  })

  test('is not rebuilt for ever: a packet whose rebuilds are used up stays certified', () => {
    const rebuilding = { status: 'rebuilding', roundId: 'r', certificate: null } as const
    const spent = certified('a0', { ...rebuilding, rebuilds: REBUILDS_MAX })
    for (const end of [undefined, close])
      expect(recovered([spent], end, networkWith(first)).packets).toMatchObject([
        { status: 'abandoned', roundId: null, version: versionOf('a0') },
      ])
  })

  test('is revoked again if the revocation died', () => {
    const other: PipelineTransaction = { txid: 'rebuilt', inputs: [], role: { kind: 'plain' } }
    const rebuilt = certified('b0', { certificate: 'rebuilt', roundId: 'a later round' })
    const again = recovered([lost('a0'), rebuilt], back, networkWith(back, other), { last: back.txid })
    expect(again.revoke).toEqual([1])
  })

  test('is not rebuilt where its owner revoked it', () => {
    const revoked = certified('a0', { roundId: 'r', certificate: 'certificate' })
    const revocation: PipelineTransaction = {
      txid: 'revocation',
      inputs: [{ txid: 'certificate', vout: 1 }],
      role: { kind: 'plain' },
    }
    const { packets, revoke } = recovered([revoked, lost('b0')], back, networkWith(back, revocation))
    expect(packets[0]).toEqual(revoked)
    expect(revoke).toEqual([])
  })

  test('leaves out whoever was being rebuilt in its round without being in it', () => {
    const third = certified('c0', { status: 'rebuilding', roundId: 'r', certificate: null })
    const { packets } = recovered([lost('a0'), lost('b0'), third], back, networkWith(back))
    expect(packets[2]).toMatchObject({ status: 'unanchored', roundId: null })
  })
})

describe('event job coordination: after a crash', () => {
  test('what was stored is sent again, without what was recorded dead', () => {
    const stored = [{ txid: 'a' }, { txid: 'b' }, { txid: 'c' }]
    expect(transactionsToResend(stored, new Set(['b']))).toEqual([{ txid: 'a' }, { txid: 'c' }])
  })
})
