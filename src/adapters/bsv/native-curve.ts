import * as stockSdk from '@bsv/sdk'
import { native } from '../../contract/curve.node.ts'
import { type Restore, replaceMember, requireMember } from './replace-member.ts'
import { type CurveOfSdk, curveOver, type Sdk } from './sdk-curve.ts'

export type NativeCurve = {
  /** `portable`: the addon does not load here, nothing was changed, and signatures cost thirty times as much. */
  readonly signer: 'native' | 'portable'
  /** Puts the SDK's own code back, once all who installed have let go. */
  uninstall(): void
}

/**
 * Puts libsecp256k1 under the SDK's signatures and keys. No export of the SDK can be replaced from outside, so
 * its classes' members are. Same bytes, same verdicts: whatever the library does not take goes to the SDK's own
 * code, which decides and complains as ever. Nothing is remembered between calls.
 *
 * The SDK has a build for `import` and one for `require`, each with classes of its own; pass the other one to
 * put it under that.
 */
export function installNativeCurve(sdk: Sdk = stockSdk): NativeCurve {
  if (native === undefined) return { signer: 'portable', uninstall() {} }
  const installed = installedIn.get(sdk.PublicKey) ?? {
    holders: 0,
    restores: replaceAll(sdk, curveOver(native, sdk)),
  }
  installed.holders++
  installedIn.set(sdk.PublicKey, installed)
  let held = true
  return {
    signer: 'native',
    uninstall() {
      if (!held) return
      held = false
      installed.holders--
      if (installed.holders > 0) return
      for (const restore of installed.restores) restore()
      installedIn.delete(sdk.PublicKey)
    },
  }
}

type Installed = { holders: number; readonly restores: readonly Restore[] }
const installedIn = new WeakMap<object, Installed>()

function replaceAll(sdk: Sdk, curve: CurveOfSdk): Restore[] {
  requireMember(sdk.TransactionSignature, 'TransactionSignature', 'formatBytes')
  requireMember(sdk.TransactionSignature, 'TransactionSignature', 'usesOtdaSingleBug')
  return [
    ...replaceSignatures(sdk, curve),
    ...replaceKeys(sdk, curve),
    ...replaceSharedSecrets(sdk, curve),
    replaceSpend(sdk, curve),
    ...replaceWallet(sdk, curve),
  ]
}

function replaceSignatures(sdk: Sdk, { hashed, sign, verify }: CurveOfSdk): Restore[] {
  return [
    replaceMember(
      sdk.PrivateKey.prototype,
      'PrivateKey',
      'sign',
      stock =>
        function (message, encoding, lowS = true, k) {
          const hash = hashed(message, encoding)
          return hash === undefined || lowS !== true || k !== undefined
            ? stock.call(this, message, encoding, lowS, k)
            : sign(hash, this)
        },
    ),
    replaceMember(
      sdk.PrivateKey.prototype,
      'PrivateKey',
      'verify',
      stock =>
        function (message, signature, encoding) {
          const hash = hashed(message, encoding)
          return hash === undefined
            ? stock.call(this, message, signature, encoding)
            : verify(hash, signature, this.toPublicKey())
        },
    ),
    replaceMember(
      sdk.PublicKey.prototype,
      'PublicKey',
      'verify',
      stock =>
        function (message, signature, encoding) {
          const hash = hashed(message, encoding)
          return hash === undefined
            ? stock.call(this, message, signature, encoding)
            : verify(hash, signature, this)
        },
    ),
    replaceMember(
      sdk.Signature.prototype,
      'Signature',
      'verify',
      stock =>
        function (message, key, encoding) {
          const hash = hashed(message, encoding)
          return hash === undefined ? stock.call(this, message, key, encoding) : verify(hash, this, key)
        },
    ),
  ]
}

function replaceKeys(
  sdk: Sdk,
  { publicKeyOf, pointOf, childOfPrivate, childOfPublic }: CurveOfSdk,
): Restore[] {
  return [
    replaceMember(
      sdk.Point,
      'Point',
      'fromDER',
      stock =>
        function (bytes) {
          return pointOf(bytes) ?? stock.call(this, bytes)
        },
    ),
    replaceMember(
      sdk.PrivateKey.prototype,
      'PrivateKey',
      'toPublicKey',
      stock =>
        function () {
          return publicKeyOf(this) ?? stock.call(this)
        },
    ),
    replaceMember(
      sdk.PrivateKey.prototype,
      'PrivateKey',
      'deriveChild',
      stock =>
        function (publicKey, invoice, keep, kept) {
          const own = () => this.deriveSharedSecret(publicKey)
          const secret = sharedSecret(this, publicKey, own, keep, kept)
          return (
            childOfPrivate(this, secret, invoice) ?? stock.call(this, publicKey, invoice, keep, () => secret)
          )
        },
    ),
    replaceMember(
      sdk.PublicKey.prototype,
      'PublicKey',
      'deriveChild',
      stock =>
        function (privateKey, invoice, keep, kept) {
          const own = () => this.deriveSharedSecret(privateKey)
          const secret = sharedSecret(privateKey, this, own, keep, kept)
          return (
            childOfPublic(this, secret, invoice) ?? stock.call(this, privateKey, invoice, keep, () => secret)
          )
        },
    ),
  ]
}

type Point = InstanceType<Sdk['Point']>
type PrivateKey = InstanceType<Sdk['PrivateKey']>
type Keep = (privateKey: PrivateKey, publicKey: Point, secret: Point) => void
type Kept = (privateKey: PrivateKey, publicKey: Point) => Point | undefined

/** From the memory of whoever asks, where they have one: the SDK's key derivers do, and bound it. */
function sharedSecret(
  privateKey: PrivateKey,
  publicKey: Point,
  own: () => Point,
  keep: Keep | undefined,
  kept: Kept | undefined,
): Point {
  if (typeof kept !== 'function') return own()
  const known = kept(privateKey, publicKey)
  if (known !== undefined) return known
  const secret = own()
  if (typeof keep === 'function') keep(privateKey, publicKey, secret)
  return secret
}

function replaceSharedSecrets(sdk: Sdk, { sharedPoint }: CurveOfSdk): Restore[] {
  return [
    replaceMember(
      sdk.PrivateKey.prototype,
      'PrivateKey',
      'deriveSharedSecret',
      stock =>
        function (publicKey) {
          return sharedPoint(publicKey, this) ?? stock.call(this, publicKey)
        },
    ),
    replaceMember(
      sdk.PublicKey.prototype,
      'PublicKey',
      'deriveSharedSecret',
      stock =>
        function (privateKey) {
          return sharedPoint(this, privateKey) ?? stock.call(this, privateKey)
        },
    ),
  ]
}

/** The SDK keeps this member, and the cache it hands to the next one, to itself. */
type OpenSpend = Omit<InstanceType<Sdk['Spend']>, 'verifySignature' | 'sigHashCache'> & {
  readonly sigHashCache: NonNullable<SigningContext['cache']>
  verifySignature(
    signature: TransactionSignature,
    key: PublicKey,
    subscript: SigningContext['subscript'],
  ): boolean
}
type TransactionSignature = InstanceType<Sdk['TransactionSignature']>
type PublicKey = InstanceType<Sdk['PublicKey']>
type SigningContext = Parameters<Sdk['TransactionSignature']['formatBytes']>[0]

function replaceSpend(sdk: Sdk, { hash256, verify }: CurveOfSdk): Restore {
  const { formatBytes, usesOtdaSingleBug } = sdk.TransactionSignature
  const open = sdk.Spend.prototype as unknown as OpenSpend
  return replaceMember(
    open,
    'Spend',
    'verifySignature',
    stock =>
      function (signature, key, subscript) {
        const context = {
          sourceTXID: this.sourceTXID,
          sourceOutputIndex: this.sourceOutputIndex,
          sourceSatoshis: this.sourceSatoshis,
          transactionVersion: this.transactionVersion,
          otherInputs: this.otherInputs,
          outputs: this.outputs,
          inputIndex: this.inputIndex,
          subscript,
          inputSequence: this.inputSequence,
          lockTime: this.lockTime,
          scope: signature.scope,
          cache: this.sigHashCache,
        }
        // SIGHASH_SINGLE without its output signs a constant instead of the transaction: the SDK knows which.
        return usesOtdaSingleBug(context)
          ? stock.call(this, signature, key, subscript)
          : verify(hash256(formatBytes(context)), signature, key)
      },
  )
}

function replaceWallet(sdk: Sdk, { hashed, given, sign, verify }: CurveOfSdk): Restore[] {
  return [
    replaceMember(
      sdk.ProtoWallet.prototype,
      'ProtoWallet',
      'createSignature',
      stock =>
        async function (args) {
          const hash = args.hashToDirectlySign == null ? hashed(args.data) : given(args.hashToDirectlySign)
          if (hash === undefined || this.keyDeriver == null) return await stock.call(this, args)
          const { protocolID, keyID, counterparty = 'anyone' } = args
          const key = this.keyDeriver.derivePrivateKey(protocolID, keyID, counterparty)
          return { signature: sign(hash, key).toDER() as number[] }
        },
    ),
    replaceMember(
      sdk.ProtoWallet.prototype,
      'ProtoWallet',
      'verifySignature',
      stock =>
        async function (args) {
          const hash =
            args.hashToDirectlyVerify == null ? hashed(args.data) : given(args.hashToDirectlyVerify)
          if (hash === undefined || this.keyDeriver == null) return await stock.call(this, args)
          const { protocolID, keyID, counterparty = 'self', forSelf } = args
          const key = this.keyDeriver.derivePublicKey(protocolID, keyID, counterparty, forSelf)
          if (verify(hash, sdk.Signature.fromDER(args.signature), key)) return { valid: true }
          // In the SDK's words: to let it find out for itself would cost it the slow way, at a stranger's will.
          throw Object.assign(new Error('Signature is not valid'), { code: 'ERR_INVALID_SIGNATURE' })
        },
    ),
  ]
}
