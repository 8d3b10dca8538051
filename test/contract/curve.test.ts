import { createRequire } from 'node:module'
import { BigNumber, ECDSA, PrivateKey, PublicKey, Signature } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import * as browser from '../../src/contract/curve.browser.ts'
import * as native from '../../src/contract/curve.node.ts'
import * as portable from '../../src/contract/curve.portable.ts'
import { isHigh, isScalar, negated, reduced } from '../../src/contract/scalar.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/sha256.node.ts'
import { describeWith } from '../support/real-component.ts'

const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const scalar = (value: bigint) => knownHex(value.toString(16).padStart(64, '0'))
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const privateKey = bytes32.filter(isScalar)
const edgeKeys = [1n, 2n, 3n, n / 2n, n / 2n + 1n, n - 2n, n - 1n].map(scalar)
const edgeHashes = [0n, 1n, n - 1n, n, n + 1n, (1n << 256n) - 1n].map(scalar)

function sdkSignature(hash: Uint8Array, key: Uint8Array): string {
  const { r, s } = ECDSA.sign(new BigNumber([...reduced(hash)]), new PrivateKey([...key]), true)
  return r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0')
}

function sdkVerdict(signature: Uint8Array, hash: Uint8Array, publicKey: Uint8Array): boolean {
  const half = (from: number) => new BigNumber([...signature.subarray(from, from + 32)])
  return ECDSA.verify(
    new BigNumber([...hash]),
    new Signature(half(0), half(32)),
    PublicKey.fromDER([...publicKey]),
  )
}

describe('the curve on this machine', () => {
  test('is the native one where its addon loads, and says which it is', () => {
    expect(native.signer).toBe(addonLoads() ? 'native' : 'portable')
    expect([portable.signer, browser.signer]).toEqual(['portable', 'portable'])
  })

  test('is the portable one, and says so, where the addon does not load', async () => {
    vi.doMock('node:module', () => ({
      createRequire: () => () => {
        throw new Error('no addon for this machine')
      },
    }))
    vi.resetModules()
    const without = await import('../../src/contract/curve.node.ts')
    vi.doUnmock('node:module')
    expect(without.signer).toBe('portable')
    expect(without.sign(sha256('m'), sha256('k'))).toEqual(native.sign(sha256('m'), sha256('k')))
  })

  function addonLoads(): boolean {
    try {
      createRequire(import.meta.url)('secp256k1/bindings')
      return true
    } catch {
      return false
    }
  }

  test('offers the same functions in browsers', () => {
    // `native` is the addon itself, for what has to put it under other people's code.
    const { native: _, ...functions } = native
    expect(Object.keys(browser).sort()).toEqual(Object.keys(functions).sort())
  })
})

// Without the addon "natively" below is the portable curve held against itself, which shows nothing.
describeWith(
  {
    name: 'native-secp256k1',
    available: native.signer === 'native',
    howToGet: 'Install a C++ compiler and python3, then run `npm rebuild secp256k1`.',
  },
  'the native curve',
  () => {
    test('is what the comparisons here compare with', () => {
      expect(
        native.verify(native.sign(sha256('m'), sha256('k')), sha256('m'), portable.publicKeyOf(sha256('k'))),
      ).toBe(true)
    })
  },
)

describe('a signature', () => {
  test('has the same bytes natively and portably, for 1,000 random keys and hashes', () => {
    fc.assert(
      fc.property(privateKey, bytes32, (key, hash) => {
        expect(toHex(native.sign(hash, key))).toBe(toHex(portable.sign(hash, key)))
      }),
      { numRuns: 1000 },
    )
  })

  test('has the bytes that the SDK gives it', () => {
    fc.assert(
      fc.property(privateKey, bytes32, (key, hash) => {
        expect(toHex(native.sign(hash, key))).toBe(sdkSignature(hash, key))
      }),
      { numRuns: 150 },
    )
  })

  test('is the same everywhere for keys and hashes at the edges, hashes beyond the order included', () => {
    for (const key of edgeKeys)
      for (const hash of edgeHashes) {
        expect(toHex(native.sign(hash, key))).toBe(sdkSignature(hash, key))
        expect(toHex(portable.sign(hash, key))).toBe(sdkSignature(hash, key))
      }
  })

  test('has a low S', () => {
    fc.assert(
      fc.property(privateKey, bytes32, (key, hash) => !isHigh(native.sign(hash, key).subarray(32))),
      { numRuns: 300 },
    )
  })

  test('is refused to a key outside 1 … n−1', () => {
    for (const key of [0n, n, n + 1n].map(scalar)) {
      expect(() => native.sign(sha256('m'), key)).toThrow()
      expect(() => portable.sign(sha256('m'), key)).toThrow()
    }
  })
})

describe('verification', () => {
  const variants = ['valid', 'high-S', 'bit-flipped', 'wrong key', 'wrong message'] as const

  type Case = readonly [signature: Uint8Array, hash: Uint8Array, publicKey: Uint8Array]

  function vary(key: Uint8Array, hash: Uint8Array, bit: number): Record<(typeof variants)[number], Case> {
    const signature = native.sign(hash, key)
    const publicKey = native.publicKeyOf(key)
    const flipped = signature.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const highS = new Uint8Array([...signature.subarray(0, 32), ...negated(signature.subarray(32))])
    return {
      valid: [signature, hash, publicKey],
      'high-S': [highS, hash, publicKey],
      'bit-flipped': [flipped, hash, publicKey],
      'wrong key': [signature, hash, native.publicKeyOf(sha256(key))],
      'wrong message': [signature, sha256(hash), publicKey],
    }
  }

  test('accepts the valid one of 2,500 and no other', () => {
    fc.assert(
      fc.property(privateKey, bytes32, fc.nat(511), (key, hash, bit) => {
        const cases = vary(key, hash, bit)
        for (const variant of variants) expect(native.verify(...cases[variant])).toBe(variant === 'valid')
      }),
      { numRuns: 500 },
    )
  })

  test('gives the same verdict portably and, but for high S, in the SDK', () => {
    fc.assert(
      fc.property(privateKey, bytes32, fc.nat(511), (key, hash, bit) => {
        const cases = vary(key, hash, bit)
        for (const variant of variants) {
          expect(portable.verify(...cases[variant])).toBe(variant === 'valid')
          expect(sdkVerdict(...cases[variant])).toBe(variant === 'valid' || variant === 'high-S')
        }
      }),
      { numRuns: 40 },
    )
  })

  test('agrees on r and s at the edges', () => {
    const publicKey = native.publicKeyOf(scalar(2n))
    const hash = sha256('m')
    for (const r of edgeHashes)
      for (const s of edgeHashes) {
        const signature = new Uint8Array([...r, ...s])
        expect(native.verify(signature, hash, publicKey)).toBe(false)
        expect(portable.verify(signature, hash, publicKey)).toBe(false)
      }
    for (const edge of edgeHashes) {
      const signature = native.sign(edge, scalar(2n))
      expect(native.verify(signature, edge, publicKey)).toBe(true)
      expect(portable.verify(signature, edge, publicKey)).toBe(true)
    }
  })

  test('answers false to bytes of any other length, and never throws', () => {
    const any = fc.uint8Array({ maxLength: 70 })
    fc.assert(
      fc.property(any, any, any, (signature, hash, publicKey) => {
        expect(native.verify(signature, hash, publicKey)).toBe(false)
        expect(portable.verify(signature, hash, publicKey)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a public key', () => {
  test('is the same natively, portably and in the SDK', () => {
    fc.assert(
      fc.property(privateKey, key => {
        const expected = toHex(native.publicKeyOf(key))
        expect(toHex(portable.publicKeyOf(key))).toBe(expected)
        expect(new PrivateKey([...key]).toPublicKey().toString()).toBe(expected)
      }),
      { numRuns: 100 },
    )
  })

  test('is compressed and on the curve, or none', () => {
    const prefixed = fc
      .tuple(fc.constantFrom(0, 2, 3, 4, 5, 6, 7), fc.uint8Array({ minLength: 31, maxLength: 64 }))
      .map(([head, rest]) => Uint8Array.of(head, ...rest))
    fc.assert(
      fc.property(prefixed, bytes => native.isPublicKey(bytes) === portable.isPublicKey(bytes)),
      { numRuns: 1000 },
    )
    const field = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn
    for (const x of [0n, field - 1n, field, field + 1n, (1n << 256n) - 1n]) {
      const bytes = Uint8Array.of(2, ...scalar(x))
      expect(native.isPublicKey(bytes)).toBe(portable.isPublicKey(bytes))
    }
  })
})

describe('a tweak', () => {
  test('moves private and public key alike, natively and portably', () => {
    fc.assert(
      fc.property(privateKey, bytes32, (key, tweak) => {
        const moved = native.tweakPrivate(key, tweak)
        expect(toHex(portable.tweakPrivate(key, tweak))).toBe(toHex(moved))
        const publicKey = native.publicKeyOf(key)
        const expected = toHex(native.publicKeyOf(moved))
        expect(toHex(native.tweakPublic(publicKey, tweak) ?? sha256(''))).toBe(expected)
        expect(toHex(portable.tweakPublic(publicKey, tweak) ?? sha256(''))).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  test('of zero, or beyond the order, is taken modulo the order', () => {
    const publicKey = native.publicKeyOf(scalar(5n))
    for (const [tweak, key] of [
      [0n, 5n],
      [n, 5n],
      [n + 1n, 6n],
      [(1n << 256n) - 1n, (1n << 256n) - 1n - n + 5n],
    ] as const)
      for (const curve of [native, portable]) {
        expect(curve.tweakPrivate(scalar(5n), scalar(tweak))).toEqual(scalar(key))
        expect(curve.tweakPublic(publicKey, scalar(tweak))).toEqual(native.publicKeyOf(scalar(key)))
      }
  })

  test('that cancels the key leaves none', () => {
    for (const curve of [native, portable]) {
      expect(curve.tweakPublic(native.publicKeyOf(scalar(5n)), scalar(n - 5n))).toBeUndefined()
      expect(() => curve.tweakPrivate(scalar(5n), scalar(n - 5n))).toThrow()
    }
  })

  test('of what is no key is none', () => {
    for (const curve of [native, portable]) {
      expect(curve.tweakPublic(new Uint8Array(33), scalar(1n))).toBeUndefined()
      expect(curve.tweakPublic(new Uint8Array(65), scalar(1n))).toBeUndefined()
    }
  })

  test('leaves the private key it was given as it was', () => {
    const key = scalar(5n)
    native.tweakPrivate(key, scalar(1n))
    expect(key).toEqual(scalar(5n))
  })
})
