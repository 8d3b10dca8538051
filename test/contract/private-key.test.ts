import { PrivateKey, Utils } from '@bsv/sdk'
import { describe, expect, test } from 'vitest'
import { readPrivateKey } from '../../src/contract/private-key.ts'
import { knownHex } from '../../src/core/bytes.ts'

const hex = '0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d'
const key = new PrivateKey(hex, 'hex')

describe('a private key', () => {
  test('is read from hex, which names no network', () => {
    expect(readPrivateKey(hex)).toEqual({ privateKey: knownHex(hex) })
    expect(readPrivateKey(hex.toUpperCase())).toEqual({ privateKey: knownHex(hex) })
  })

  test('is read from WIF, which does', () => {
    expect(readPrivateKey(key.toWif())).toEqual({ privateKey: knownHex(hex), network: 'mainnet' })
    expect(readPrivateKey(key.toWif([0xef]))).toEqual({ privateKey: knownHex(hex), network: 'testnet' })
  })

  test.each([
    ['nothing', ''],
    ['zero', '00'.repeat(32)],
    ['a number beyond the curve', 'ff'.repeat(32)],
    ['hex cut short', hex.slice(2)],
    ['WIF with a letter changed', key.toWif().replace(/.$/, last => (last === 'a' ? 'b' : 'a'))],
    ['WIF of another network', key.toWif([0x6f])],
    ['WIF with a byte more', Utils.toBase58Check([...knownHex(hex), 1, 0], [0x80])],
  ])('is not read from %s', (_, text) => {
    expect(readPrivateKey(text)).toBeUndefined()
  })
})
