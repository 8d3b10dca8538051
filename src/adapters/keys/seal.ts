import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { concat, utf8 } from '../../core/bytes.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/** A secret for the database: nonce ‖ AES-256-GCM ‖ tag. It opens only under the name that it was sealed for. */
export function seal(masterKey: Uint8Array, name: string, secret: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, masterKey, nonce).setAAD(utf8(name))
  return concat(nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag())
}

/** Undefined with another master key, or another name. */
export function unseal(masterKey: Uint8Array, name: string, sealed: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv(CIPHER, masterKey, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(utf8(name))
    .setAuthTag(sealed.subarray(-TAG_BYTES))
  const opened = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    return concat(opened, decipher.final())
  } catch {
    // Its only complaint at this point is that the tag does not fit, which is what undefined says.
    return undefined
  }
}
