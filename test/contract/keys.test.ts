import { KeyDeriver, PrivateKey, ProtoWallet } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { publicKeyOf } from '../../src/contract/curve.node.ts'
import { decodeDer } from '../../src/contract/der.ts'
import {
  anyoneSigningKey,
  anyoneVerifyingKey,
  isProtocolName,
  signDetached,
  verifyDetached,
} from '../../src/contract/keys.ts'
import { isScalar } from '../../src/contract/scalar.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/sha256.node.ts'

const privateKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isScalar)
const protocol = fc.constantFrom('gitdata event job', 'gitdata agent operator', 'abcde', 'a1 b2 c3')
const keyId = fc.string({ minLength: 1, maxLength: 100, unit: 'grapheme' })
const anyone = new ProtoWallet('anyone')

describe('a key for anyone', () => {
  test('is the one that wallets derive, on both sides', () => {
    fc.assert(
      fc.property(privateKey, protocol, keyId, (key, name, id) => {
        const wallet = new KeyDeriver(new PrivateKey([...key]))
        expect(toHex(anyoneSigningKey(key, name, id))).toBe(
          wallet.derivePrivateKey([2, name], id, 'anyone').toHex().padStart(64, '0'),
        )
        const identityKey = publicKeyOf(key)
        const derived = anyoneVerifyingKey(identityKey, name, id)
        expect(derived).toEqual(publicKeyOf(anyoneSigningKey(key, name, id)))
        const byAnyone = new KeyDeriver('anyone').derivePublicKey([2, name], id, toHex(identityKey))
        expect(derived && toHex(derived)).toBe(byAnyone.toString())
      }),
      { numRuns: 60 },
    )
  })

  test('has one public half, whoever derives it, for 2,000 random owners and ids', () => {
    fc.assert(
      fc.property(privateKey, protocol, keyId, (key, name, id) => {
        const derived = anyoneVerifyingKey(publicKeyOf(key), name, id)
        expect(derived).toEqual(publicKeyOf(anyoneSigningKey(key, name, id)))
      }),
      { numRuns: 2000 },
    )
  })

  test('does not exist for what is no public key', () => {
    expect(anyoneVerifyingKey(new Uint8Array(33).fill(7), 'gitdata event job', '1')).toBeUndefined()
  })
})

describe('a protocol name', () => {
  const key = new KeyDeriver(new PrivateKey(7))
  const accepted = (name: string) => {
    try {
      key.derivePublicKey([2, name], '1', 'anyone')
      // Wallets trim names and lower their case; ours arrive in the form that is left.
      return name === name.trim().toLowerCase()
    } catch {
      return false
    }
  }

  test('is what wallets take as it stands', () => {
    const names = ['gitdata event job', 'abcd', 'abcde', 'a'.repeat(400), 'a'.repeat(401), 'two  spaces']
    const more = ['gitdata.event', 'Upper case', ' leading', 'trailing ', 'job protocol', 'protocol', '']
    for (const name of [...names, ...more])
      expect([name, isProtocolName(name)]).toEqual([name, accepted(name)])
  })

  test('is so for random ones', () => {
    const unit = fc.constantFrom('a', 'z', '0', ' ', 'A', '.', 'ß')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), name => isProtocolName(name) === accepted(name)),
      { numRuns: 200 },
    )
  })

  test('that is none is a bug of the caller', () => {
    expect(() => anyoneSigningKey(sha256('k'), 'No.', '1')).toThrow(/BRC-43/)
    expect(() => anyoneSigningKey(sha256('k'), 'gitdata event job', '')).toThrow(/key id/)
  })
})

describe('a detached signature', () => {
  test('is byte for byte the wallet’s, and either side verifies the other’s', async () => {
    const draw = fc.tuple(privateKey, protocol, keyId, fc.uint8Array({ maxLength: 300 }))
    for (const [key, name, id, data] of fc.sample(draw, { numRuns: 40, seed: 7 })) {
      const wallet = new ProtoWallet(new PrivateKey([...key]))
      const args = { protocolID: [2, name] as [2, string], keyID: id, data: [...data] }
      const { signature } = await wallet.createSignature({ ...args, counterparty: 'anyone' })
      const ours = signDetached(key, name, id, data)
      expect(toHex(ours)).toBe(toHex(Uint8Array.from(signature)))
      const identityKey = publicKeyOf(key)
      expect(verifyDetached(identityKey, name, id, data, Uint8Array.from(signature))).toBe(true)
      const verdict = await anyone.verifySignature({
        ...args,
        counterparty: toHex(identityKey),
        signature: [...ours],
      })
      expect(verdict.valid).toBe(true)
    }
  })

  test('holds for its key, protocol, id and data only', () => {
    fc.assert(
      fc.property(privateKey, fc.uint8Array({ maxLength: 50 }), (key, data) => {
        const signature = signDetached(key, 'gitdata event job', '1', data)
        const identityKey = publicKeyOf(key)
        expect(verifyDetached(identityKey, 'gitdata event job', '1', data, signature)).toBe(true)
        expect(verifyDetached(identityKey, 'gitdata event result', '1', data, signature)).toBe(false)
        expect(verifyDetached(identityKey, 'gitdata event job', '2', data, signature)).toBe(false)
        expect(verifyDetached(identityKey, 'gitdata event job', '1', sha256(data), signature)).toBe(false)
        expect(verifyDetached(publicKeyOf(sha256(key)), 'gitdata event job', '1', data, signature)).toBe(
          false,
        )
      }),
      { numRuns: 300 },
    )
  })

  test('is refused with any bit of it flipped', () => {
    const key = sha256('signer')
    const signature = signDetached(key, 'gitdata event job', '1', knownHex('00ff'))
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const flipped = signature.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifyDetached(publicKeyOf(key), 'gitdata event job', '1', knownHex('00ff'), flipped)).toBe(
        false,
      )
    }
    expect(decodeDer(signature)).toBeDefined()
  })
})
