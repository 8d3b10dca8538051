import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { SealedPositions } from '../../../serve/live/resume-token.ts'

const TAG_BYTES = 16
const CIPHER = 'aes-256-ctr'

/**
 * Positions as nodes of this database alone can write and read them: they count partitions that their reader may not
 * know of. One is written with every message, which is too often for nonces drawn at random, so what each is enciphered
 * under is made of the position itself (as SIV does it, RFC 5297), and equal positions are equal texts.
 */
export function openSealedPositions(masterKey: Uint8Array): SealedPositions {
  const keyFor = (what: string) =>
    new Uint8Array(hkdfSync('sha256', masterKey, '', `assay live positions ${what}`, 32))
  const [tagKey, cipherKey] = [keyFor('tag'), keyFor('cipher')]
  const tagOf = (position: Uint8Array) =>
    createHmac('sha256', tagKey).update(position).digest().subarray(0, TAG_BYTES)
  return {
    seal(position) {
      const tag = tagOf(position)
      return Buffer.concat([tag, createCipheriv(CIPHER, cipherKey, tag).update(position)])
    },
    unseal(sealed) {
      if (sealed.length < TAG_BYTES) return undefined
      const tag = sealed.subarray(0, TAG_BYTES)
      const position = createDecipheriv(CIPHER, cipherKey, tag).update(sealed.subarray(TAG_BYTES))
      return timingSafeEqual(tag, tagOf(position)) ? position : undefined
    },
  }
}
