import { StorageUtils, Utils } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashInUhrpUrl, uhrpUrlOf } from '../../src/contract/uhrp-url.ts'
import { toHex } from '../../src/core/bytes.ts'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('the UHRP URL of a hash', () => {
  test('is the one that the SDK writes and reads', () => {
    fc.assert(
      fc.property(hash, bytes => {
        const url = uhrpUrlOf(toHex(bytes))
        expect(url).toBe(StorageUtils.getURLForHash([...bytes]))
        for (const spelled of [url, `uhrp:${url}`, `uhrp://${url}`, `UHRP://${url}`])
          expect(hashInUhrpUrl(spelled)).toBe(toHex(bytes))
      }),
    )
  })

  test('is refused with a mistake in it, or another prefix', () => {
    const url = uhrpUrlOf('ab'.repeat(32))
    const wrong = [
      '',
      'X',
      url.slice(1),
      `${url}1`,
      `x${url}`,
      url.replace(/.$/, 'I'),
      `http://${url}`,
      '1'.repeat(5000),
    ]
    for (const each of wrong) expect(hashInUhrpUrl(each)).toBeUndefined()
    const [first = '', second = ''] = url.slice(-2)
    if (first !== second) expect(hashInUhrpUrl(url.slice(0, -2) + second + first)).toBeUndefined()
    expect(hashInUhrpUrl(Utils.toBase58Check(Array(32).fill(1), [0xce, 0x01]))).toBeUndefined()
  })
})
