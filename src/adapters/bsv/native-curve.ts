import * as stockSdk from '@bsv/sdk'
import { native } from '../../contract/curve.node.ts'
import { type Override, overrideMembers, requireMember } from './override-members.ts'
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
  const installed = installedIn.get(sdk.PublicKey) ?? putUnder(sdk, curveOver(native, sdk))
  installed.holders++
  let held = true
  return {
    signer: 'native',
    uninstall() {
      if (!held) return
      held = false
      installed.holders--
      if (installed.holders > 0) return
      for (const override of installed.overrides) override.restore()
      installedIn.delete(sdk.PublicKey)
    },
  }
}

type Installed = { holders: number; readonly overrides: readonly Override[] }
const installedIn = new WeakMap<object, Installed>()

function putUnder(sdk: Sdk, curve: CurveOfSdk): Installed {
  requireMember(sdk.TransactionSignature, 'TransactionSignature', 'formatBytes')
  requireMember(sdk.TransactionSignature, 'TransactionSignature', 'usesOtdaSingleBug')
  // Made before any is put: an SDK that lacks one keeps all it has.
  const overrides = [
    ofPrivateKey(sdk, curve),
    ofPublicKey(sdk, curve),
    ofPoint(sdk, curve),
    ofSignature(sdk, curve),
    ofSpend(sdk, curve),
    ofWallet(sdk, curve),
  ]
  for (const override of overrides) override.put()
  const installed = { holders: 0, overrides }
  installedIn.set(sdk.PublicKey, installed)
  return installed
}

function ofPrivateKey(sdk: Sdk, curve: CurveOfSdk): Override {
  return overrideMembers(sdk.PrivateKey.prototype, 'PrivateKey', stock => ({
    sign(message, encoding, lowS = true, k) {
      const hash = curve.hashed(message, encoding)
      return hash === undefined || lowS !== true || k !== undefined
        ? stock.sign.call(this, message, encoding, lowS, k)
        : curve.sign(hash, this)
    },
    verify(message, signature, encoding) {
      const hash = curve.hashed(message, encoding)
      return hash === undefined
        ? stock.verify.call(this, message, signature, encoding)
        : curve.verify(hash, signature, this.toPublicKey())
    },
    toPublicKey() {
      return curve.publicKeyOf(this) ?? stock.toPublicKey.call(this)
    },
    deriveSharedSecret(publicKey) {
      return curve.sharedPoint(publicKey, this) ?? stock.deriveSharedSecret.call(this, publicKey)
    },
    deriveChild(publicKey, invoice, keep, kept) {
      const secret = sharedSecret(this, publicKey, () => this.deriveSharedSecret(publicKey), keep, kept)
      const child = curve.childOfPrivate(this, secret, invoice)
      return child ?? stock.deriveChild.call(this, publicKey, invoice, keep, () => secret)
    },
  }))
}

function ofPublicKey(sdk: Sdk, curve: CurveOfSdk): Override {
  return overrideMembers(sdk.PublicKey.prototype, 'PublicKey', stock => ({
    verify(message, signature, encoding) {
      const hash = curve.hashed(message, encoding)
      return hash === undefined
        ? stock.verify.call(this, message, signature, encoding)
        : curve.verify(hash, signature, this)
    },
    deriveSharedSecret(privateKey) {
      return curve.sharedPoint(this, privateKey) ?? stock.deriveSharedSecret.call(this, privateKey)
    },
    deriveChild(privateKey, invoice, keep, kept) {
      const secret = sharedSecret(privateKey, this, () => this.deriveSharedSecret(privateKey), keep, kept)
      const child = curve.childOfPublic(this, secret, invoice)
      return child ?? stock.deriveChild.call(this, privateKey, invoice, keep, () => secret)
    },
  }))
}

function ofPoint(sdk: Sdk, curve: CurveOfSdk): Override {
  return overrideMembers(sdk.Point, 'Point', stock => ({
    fromDER(bytes) {
      return curve.pointOf(bytes) ?? stock.fromDER.call(this, bytes)
    },
  }))
}

function ofSignature(sdk: Sdk, curve: CurveOfSdk): Override {
  return overrideMembers(sdk.Signature.prototype, 'Signature', stock => ({
    verify(message, key, encoding) {
      const hash = curve.hashed(message, encoding)
      return hash === undefined
        ? stock.verify.call(this, message, key, encoding)
        : curve.verify(hash, this, key)
    },
  }))
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

function ofSpend(sdk: Sdk, curve: CurveOfSdk): Override {
  const open = sdk.Spend.prototype as unknown as OpenSpend
  return overrideMembers(open, 'Spend', stock => ({
    verifySignature(signature, key, subscript) {
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
      return sdk.TransactionSignature.usesOtdaSingleBug(context)
        ? stock.verifySignature.call(this, signature, key, subscript)
        : curve.verify(curve.hash256(sdk.TransactionSignature.formatBytes(context)), signature, key)
    },
  }))
}

function ofWallet(sdk: Sdk, curve: CurveOfSdk): Override {
  return overrideMembers(sdk.ProtoWallet.prototype, 'ProtoWallet', stock => ({
    async createSignature(args) {
      const { protocolID, keyID, counterparty, data, hashToDirectlySign: made } = args
      const hash = made == null ? curve.hashed(data) : curve.given(made)
      if (hash === undefined || this.keyDeriver == null) return await stock.createSignature.call(this, args)
      const key = this.keyDeriver.derivePrivateKey(protocolID, keyID, counterparty ?? 'anyone')
      return { signature: curve.sign(hash, key).toDER() as number[] }
    },
    async verifySignature(args) {
      const { protocolID, keyID, counterparty, forSelf, data, hashToDirectlyVerify: made } = args
      const hash = made == null ? curve.hashed(data) : curve.given(made)
      if (hash === undefined || this.keyDeriver == null) return await stock.verifySignature.call(this, args)
      const key = this.keyDeriver.derivePublicKey(protocolID, keyID, counterparty ?? 'self', forSelf)
      if (curve.verify(hash, sdk.Signature.fromDER(args.signature), key)) return { valid: true }
      // In the SDK's words: to let it find out for itself would cost it the slow way, at a stranger's will.
      throw Object.assign(new Error('Signature is not valid'), { code: 'ERR_INVALID_SIGNATURE' })
    },
  }))
}
