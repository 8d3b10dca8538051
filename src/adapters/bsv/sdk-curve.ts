import type * as stockSdk from '@bsv/sdk'
import { reduced } from '../../contract/scalar.ts'
import { sameBytes } from '../../core/bytes.ts'
import { hmacSha256, sha256 } from '../../core/sha256.node.ts'

/** As much of a build of the SDK as native-curve.ts touches. */
export type Sdk = Pick<
  typeof stockSdk,
  | 'BigNumber'
  | 'ECDSA'
  | 'Hash'
  | 'Point'
  | 'PrivateKey'
  | 'ProtoWallet'
  | 'PublicKey'
  | 'Signature'
  | 'Spend'
  | 'TransactionSignature'
  | 'Utils'
>
type BigNumber = InstanceType<Sdk['BigNumber']>
type Point = InstanceType<Sdk['Point']>
type PrivateKey = InstanceType<Sdk['PrivateKey']>
type PublicKey = InstanceType<Sdk['PublicKey']>
type Signature = InstanceType<Sdk['Signature']>

type Secp256k1 = typeof import('secp256k1')

export type CurveOfSdk = ReturnType<typeof curveOver>

/** libsecp256k1 on the SDK's values. Undefined says that the SDK's own code must see to it. */
export function curveOver(secp: Secp256k1, sdk: Sdk) {
  const { BigNumber, ECDSA, Point, PrivateKey, PublicKey, Signature } = sdk

  const pointAt = (xy: Uint8Array): Point => {
    const hex = Buffer.from(xy.buffer, xy.byteOffset + 1, 64).toString('hex')
    return new Point(hex.slice(0, 64), hex.slice(64))
  }
  const publicKeyAt = (xy: Uint8Array): PublicKey => {
    const { x, y } = pointAt(xy)
    return new PublicKey(x, y)
  }
  const tweak = (secret: Point, invoice: string): Uint8Array =>
    hmacSha256(
      Uint8Array.from(secret.encode(true) as number[]),
      Uint8Array.from(sdk.Utils.toArray(invoice, 'utf8')),
    )

  return {
    /** SHA-256 of a message as the SDK takes them. */
    hashed(message: unknown, encoding?: 'hex' | 'utf8'): Uint8Array | undefined {
      if (message instanceof Uint8Array) return sha256(message)
      if (Array.isArray(message)) return sha256(Uint8Array.from(message))
      return typeof message === 'string' ? Uint8Array.from(sdk.Hash.sha256(message, encoding)) : undefined
    },

    hash256(bytes: Uint8Array): Uint8Array {
      return sha256(sha256(bytes))
    },

    /** A hash that somebody made elsewhere. */
    given(hash: unknown): Uint8Array | undefined {
      return Array.isArray(hash) && hash.length === 32 ? bytesOf(hash) : undefined
    },

    /** RFC 6979, low-S. */
    sign(hash: Uint8Array, key: BigNumber): Signature {
      const secret = scalarOf(key)
      const signed = secret && attempt(() => secp.ecdsaSign(reduced(hash), secret).signature)
      if (signed === undefined) return ECDSA.sign(new BigNumber([...hash]), key, true)
      const hex = Buffer.from(signed.buffer, signed.byteOffset, 64).toString('hex')
      return new Signature(new BigNumber(hex.slice(0, 64), 16), new BigNumber(hex.slice(64), 16))
    },

    /** Of either S, as the SDK has it: which of them a script may use is decided before. */
    verify(hash: Uint8Array, signature: Signature, key: Point): boolean {
      const [r, s, xy] = [scalarOf(signature.r), scalarOf(signature.s), xyOf(key)]
      const verdict =
        r &&
        s &&
        xy &&
        attempt(() => secp.ecdsaVerify(secp.signatureNormalize(Buffer.concat([r, s])), hash, xy))
      return verdict ?? ECDSA.verify(new BigNumber([...hash]), signature, key)
    },

    publicKeyOf(key: PrivateKey): PublicKey | undefined {
      const secret = scalarOf(key)
      return secret && attempt(() => publicKeyAt(secp.publicKeyCreate(secret, false)))
    },

    /** Of 33 or 65 bytes; what else the SDK reads (hybrid keys, an x beyond the field), it reads itself. */
    pointOf(der: readonly number[]): Point | undefined {
      const isKey = der.length === 33 ? der[0] === 2 || der[0] === 3 : der.length === 65 && der[0] === 4
      const bytes = isKey ? bytesOf(der) : undefined
      return bytes && attempt(() => pointAt(secp.publicKeyConvert(bytes, false)))
    },

    /** By the library's constant-time multiplication; its tweaks are quicker and show the key in their time. */
    sharedPoint(publicKey: Point, privateKey: BigNumber): Point | undefined {
      const [xy, secret] = [xyOf(publicKey), scalarOf(privateKey)]
      if (xy === undefined || secret === undefined) return undefined
      // With `anyone`, whose key is 1, the secret is the other's public key.
      if (sameBytes(secret, one)) return attempt(() => pointAt(secp.publicKeyConvert(xy, false)))
      return attempt(() => pointAt(secp.ecdh(xy, secret, { hashfn: uncompressed }, new Uint8Array(65))))
    },

    childOfPrivate(key: PrivateKey, secret: Point, invoice: string): PrivateKey | undefined {
      const own = scalarOf(key)
      return own && attempt(() => new PrivateKey([...secp.privateKeyTweakAdd(own, tweak(secret, invoice))]))
    },

    childOfPublic(key: Point, secret: Point, invoice: string): PublicKey | undefined {
      const xy = xyOf(key)
      return xy && attempt(() => publicKeyAt(secp.publicKeyTweakAdd(xy, tweak(secret, invoice), false)))
    },
  }
}

/** Instead of a hash of the shared point: the point. */
function uncompressed(x: Uint8Array, y: Uint8Array): Uint8Array {
  const xy = new Uint8Array(65)
  xy[0] = 4
  xy.set(x, 1)
  xy.set(y, 33)
  return xy
}

const one = Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 1 : 0))

/** Below 2^256, and not negative. */
function scalarOf(number: BigNumber): Uint8Array | undefined {
  const hex = number.isNeg() ? '' : number.toString(16).padStart(64, '0')
  return hex.length === 64 ? Buffer.from(hex, 'hex') : undefined
}

/** Uncompressed; undefined at infinity. */
function xyOf({ x, y, inf }: Point): Uint8Array | undefined {
  if (inf || x == null || y == null) return undefined
  const hex = x.fromRed().toString(16).padStart(64, '0') + y.fromRed().toString(16).padStart(64, '0')
  return hex.length === 128 ? Buffer.from(`04${hex}`, 'hex') : undefined
}

/** The SDK reads lists, and also those whose numbers are no bytes. */
function bytesOf(list: readonly number[]): Uint8Array | undefined {
  if (!Array.isArray(list)) return undefined
  const bytes = Uint8Array.from(list)
  return bytes.every((byte, i) => byte === list[i]) ? bytes : undefined
}

function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch {
    // A key or a number that the library does not take. The SDK's own code looks at it next, and its word counts.
    return undefined
  }
}
