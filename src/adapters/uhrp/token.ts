import { createHash, randomBytes } from 'node:crypto'

/** A secret that is good for one thing, once. The database has its hash, so that whoever reads there has no use of it. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('hex')
}

export function isToken(text: string): boolean {
  return text.length === 2 * TOKEN_BYTES && /^[0-9a-f]+$/.test(text)
}

export function tokenHash(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

const TOKEN_BYTES = 32
