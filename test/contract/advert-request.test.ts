import { describe, expect, test } from 'vitest'
import {
  ADVERTS_PER_REQUEST_MAX,
  readAdvertAnswer,
  readAdvertRequest,
} from '../../src/contract/advert-request.ts'

describe('a request for adverts', () => {
  test('holds scripts, and its answer the transaction that carries them', () => {
    const request = { scripts: ['00', 'ff'.repeat(4096)] }
    expect(readAdvertRequest(request)).toEqual({ ok: true, value: request })
    const answer = { txid: 'ab'.repeat(32), beef: 'AQI=' }
    expect(readAdvertAnswer(answer)).toEqual({ ok: true, value: answer })
  })

  test.each<[string, unknown]>([
    ['no script', { scripts: [] }],
    ['too many', { scripts: Array.from({ length: ADVERTS_PER_REQUEST_MAX + 1 }, () => '00') }],
    ['an empty one', { scripts: [''] }],
    ['one that is too long', { scripts: ['00'.repeat(4097)] }],
    ['half a byte', { scripts: ['000'] }],
    ['upper case', { scripts: ['AB'] }],
    ['a member too many', { scripts: ['00'], pay: true }],
    ['no object', []],
  ])('with %s is refused', (_, request) => {
    expect(readAdvertRequest(request)).toMatchObject({ ok: false, fault: { code: 'message-invalid' } })
  })

  test.each<[string, unknown]>([
    ['no txid', { beef: 'AQI=' }],
    ['a short txid', { txid: 'ab', beef: 'AQI=' }],
    ['no base64', { txid: 'ab'.repeat(32), beef: '*' }],
  ])('is not answered with %s', (_, answer) => {
    expect(readAdvertAnswer(answer)).toMatchObject({ ok: false, fault: { code: 'message-invalid' } })
  })
})
