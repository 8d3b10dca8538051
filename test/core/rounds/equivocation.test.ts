import { describe, expect, test } from 'vitest'
import { packetsCertifiedTwice, seatsAnsweredTwice } from '../../../src/core/rounds/equivocation.ts'
import type { PipelineTransaction, Role } from '../../../src/core/rounds/pipeline.ts'
import { honestChain, leafOf } from './chain.ts'

const chain = honestChain('enhanced')

function again(
  txid: string,
  as: string,
  more: Partial<Extract<Role, { kind: 'result' }>>,
): PipelineTransaction {
  const transaction = chain.get(txid)
  if (transaction?.role.kind !== 'result') throw new Error(`${txid} is no result`)
  return { ...transaction, txid: as, role: { ...transaction.role, ...more } }
}

describe('a seat answered twice', () => {
  test('is evidence against its agent, with both transactions', () => {
    const other = again('result validate 1', 'another', { leaves: [leafOf('lie', 0), leafOf('lie', 1)] })
    expect(seatsAnsweredTwice([...chain.values(), other])).toEqual([
      {
        kind: 'seat-answered-twice',
        agentKey: 'agent 1',
        jobOutpoint: { txid: 'job validate', vout: 1 },
        txids: ['another', 'result validate 1'],
        answersDiffer: true,
      },
    ])
  })

  test('with the same answer still takes back the first, and says so', () => {
    const same = again('result validate 1', 'another', {})
    expect(seatsAnsweredTwice([...chain.values(), same])).toMatchObject([{ answersDiffer: false }])
  })

  test('is no evidence if it is the same transaction, or signed by somebody else', () => {
    const known = again('result validate 1', 'result validate 1', {})
    const foreign = again('result validate 1', 'another', { agentKey: 'somebody' })
    expect(seatsAnsweredTwice([...chain.values(), known, foreign])).toEqual([])
  })
})

describe('a packet certified twice', () => {
  test('is evidence against its coordinator', () => {
    const certificate = (txid: string, packetId: string, coordinator = 'c') => ({
      txid,
      packetId,
      coordinator,
    })
    expect(
      packetsCertifiedTwice([
        certificate('t2', 'p'),
        certificate('t1', 'p'),
        certificate('t1', 'q'),
        certificate('t1', 'q'),
        certificate('t3', 'q', 'another'),
      ]),
    ).toEqual([{ kind: 'certified-twice', coordinator: 'c', packetId: 'p', txids: ['t1', 't2'] }])
  })
})
