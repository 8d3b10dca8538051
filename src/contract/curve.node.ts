import { createRequire } from 'node:module'
import * as portable from './curve.portable.ts'
import { reduced } from './scalar.ts'

/**
 * libsecp256k1 where its addon loads, the portable curve where not; `signer` says which. The package's own main
 * file is never imported: without the addon it falls back to another library, and tells nobody.
 */
export const native = loadNative()

export const signer: 'native' | 'portable' = native === undefined ? 'portable' : 'native'

export const { sign, verify, publicKeyOf, isPublicKey, tweakPublic, tweakPrivate } =
  native === undefined ? portable : overNative(native)

type Native = typeof import('secp256k1')

function loadNative(): Native | undefined {
  try {
    return createRequire(import.meta.url)('secp256k1/bindings')
  } catch {
    // No prebuilt addon for this machine, or none installed. `signer` reports it, and /health repeats it.
    return undefined
  }
}

function overNative(secp: Native): Omit<typeof portable, 'signer'> {
  return {
    sign(hash, privateKey) {
      // RFC 6979 takes the hash modulo n; the library takes it as it is, and would sign with another nonce.
      return secp.ecdsaSign(reduced(hash), privateKey).signature
    },
    verify(signature, hash, publicKey) {
      if (publicKey.length !== 33) return false
      try {
        return secp.ecdsaVerify(signature, hash, publicKey)
      } catch {
        // A wrong length, r or s beyond n, a key off the curve: all of them not a signature.
        return false
      }
    },
    publicKeyOf(privateKey) {
      return secp.publicKeyCreate(privateKey)
    },
    isPublicKey(bytes) {
      return bytes.length === 33 && secp.publicKeyVerify(bytes)
    },
    tweakPublic(publicKey, tweak) {
      if (publicKey.length !== 33) return undefined
      try {
        return secp.publicKeyTweakAdd(publicKey, reduced(tweak))
      } catch {
        // Off the curve, or the sum is infinite.
        return undefined
      }
    },
    tweakPrivate(privateKey, tweak) {
      // The library adds in place.
      return secp.privateKeyTweakAdd(privateKey.slice(), reduced(tweak))
    },
  }
}
