import { describe, expect, test } from 'vitest'
import { readArcAnswer } from '../../../../src/adapters/chain/network/arc-word.ts'

const rival = 'ab'.repeat(32)

describe('a status that ARC publishes', () => {
  test.each([
    ['UNKNOWN', 'waiting'],
    ['QUEUED', 'waiting'],
    ['RECEIVED', 'waiting'],
    ['STORED', 'waiting'],
    ['ANNOUNCED_TO_NETWORK', 'waiting'],
    ['REQUESTED_BY_NETWORK', 'waiting'],
    ['SENT_TO_NETWORK', 'waiting'],
    ['ACCEPTED_BY_NETWORK', 'waiting'],
    ['MINED_IN_STALE_BLOCK', 'waiting'],
    ['SEEN_ON_NETWORK', 'seen'],
    ['MINED', 'mined'],
    ['SEEN_IN_ORPHAN_MEMPOOL', 'orphan'],
    ['DOUBLE_SPEND_ATTEMPTED', 'double-spend'],
    ['REJECTED', 'invalid'],
    ['SOMETHING_NEW', 'waiting'],
  ])('%s: %s', (txStatus, meaning) => {
    const word = readArcAnswer({ status: 200, title: 'OK', txStatus })
    expect(word.kind === 'rejected' ? word.reason : word.kind).toBe(meaning)
  })

  test('names who competes, and what the node said', () => {
    expect(
      readArcAnswer({
        status: 200,
        title: 'OK',
        txStatus: 'DOUBLE_SPEND_ATTEMPTED',
        extraInfo: 'a rival',
        competingTxs: [rival],
      }),
    ).toEqual({
      kind: 'rejected',
      reason: 'double-spend',
      detail: 'ARC: DOUBLE_SPEND_ATTEMPTED, a rival',
      competing: [rival],
    })
  })

  test.each([
    ['double spend attempted', 'double-spend'],
    ['txn-mempool-conflict', 'double-spend'],
    ['missing-inputs', 'orphan'],
    ['bad-txns-nonfinal, non-final', 'not-final'],
    ['mandatory-script-verify-flag-failed', 'invalid'],
  ])('REJECTED because of "%s": %s', (extraInfo, reason) => {
    expect(readArcAnswer({ txStatus: 'REJECTED', extraInfo })).toMatchObject({ kind: 'rejected', reason })
  })
})

describe('an error that ARC publishes', () => {
  test.each([
    [400, undefined],
    [404, undefined],
    [409, undefined],
    [422, undefined],
    [460, 'orphan'],
    [461, 'invalid'],
    [462, 'invalid'],
    [463, 'invalid'],
    [464, 'invalid'],
    [465, 'invalid'],
    [466, 'double-spend'],
    [467, undefined],
    [468, undefined],
    [469, undefined],
    [471, 'invalid'],
    [472, 'invalid'],
    [473, 'invalid'],
    [474, 'invalid'],
    [475, undefined],
    [500, undefined],
  ])('%s is a verdict on the transaction, or no word: %s', (status, reason) => {
    const word = readArcAnswer({ status, title: 'A title', detail: 'what is wrong' })
    if (reason === undefined) expect(word.kind).toBe('waiting')
    else expect(word).toMatchObject({ kind: 'rejected', reason })
    expect(word).toMatchObject({ detail: expect.stringContaining(`${status}, A title, what is wrong`) })
  })
})
