export {
  isPublicKey,
  publicKeyOf,
  sign,
  signer,
  tweakPrivate,
  tweakPublic,
  verify,
} from './curve.portable.ts'
