import { describe, expect, test } from 'vitest'
import {
  endOfThread,
  isJob,
  isThreadUnspent,
  liveResults,
  type SentJob,
} from '../../../../src/core/rounds/coordinating/thread.ts'
import type { PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { honestChain, leafOf } from '../chain.ts'
import { networkWith } from '../network-with.ts'

const chain = honestChain('enhanced')

function at(txid: string): PipelineTransaction {
  const transaction = chain.get(txid)
  if (transaction === undefined) throw new Error(`no ${txid}`)
  return transaction
}

function jobAt(txid: string): SentJob {
  const transaction = at(txid)
  if (!isJob(transaction)) throw new Error(`${txid} is no job`)
  return transaction
}

const first = jobAt('job normalize')
const validate = jobAt('job validate')
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

describe('event job coordination: a thread is unspent', () => {
  test('while its job is alive and nothing has followed it', () => {
    expect(isThreadUnspent(first, networkWith(first))).toBe(true)
    expect(isThreadUnspent(first, networkWith(first, close))).toBe(false)
    expect(isThreadUnspent(first, networkWith())).toBe(false)
  })
})

describe('event job coordination: the results at hand', () => {
  const results = [0, 1, 2].map(seat => at(`result normalize ${seat}`))

  test('are those of the job that the network has, with their seats', () => {
    const known = [...results, at('result validate 0'), first]
    expect(
      liveResults(first, known, networkWith(first, ...results.slice(1), at('result validate 0'))),
    ).toEqual(
      [1, 2].map(seat => ({
        txid: `result normalize ${seat}`,
        seat,
        status: 'completed',
        leaves: [leafOf('normalize', 0), leafOf('normalize', 1)],
      })),
    )
  })

  test('are not those that something has spent', () => {
    expect(liveResults(first, results, networkWith(first, ...results, validate))).toEqual([])
  })
})
