import * as z from 'zod'
import { hashInUhrpUrl } from '../src/contract/uhrp-url.ts'
import { closed } from '../src/core/schema.ts'
import { outpoint, publicKey, readQuery, skip } from './query-members.ts'
import type { UhrpQuery } from './uhrp-index.ts'

export const UHRP_LOOKUP_LIMIT_DEFAULT = 50
export const UHRP_LOOKUP_LIMIT_MAX = 500

/** What somebody asks at a time, or InvalidQuery with the member that is wrong. */
export function readUhrpQuery(service: string, query: unknown, nowMs: number): UhrpQuery {
  const asked = readQuery(service, shape, query, ['uhrpUrl', 'outpoint', 'hostIdentityKey', 'expiryTime'])
  const { uhrpUrl: hash, outpoint, hostIdentityKey, expiryTime = 0 } = asked
  const { limit = UHRP_LOOKUP_LIMIT_DEFAULT, skip = 0 } = asked
  // As stock downloaders count: what expires in this second has not yet.
  const expirySecondsMin = Math.max(expiryTime, Math.floor(nowMs / 1000))
  return { hash, outpoint, hostIdentityKey, expirySecondsMin, limit, skip }
}

const uhrpUrl = z.string().transform((text, context) => {
  const hash = hashInUhrpUrl(text)
  if (hash !== undefined) return hash
  context.addIssue('wanted a UHRP URL: base58 with its checksum, bare or behind uhrp: or uhrp://')
  return z.NEVER
})

const shape = closed({
  findAll: z.boolean().optional(),
  uhrpUrl: uhrpUrl.optional(),
  outpoint: outpoint.optional(),
  hostIdentityKey: publicKey.optional(),
  expiryTime: z.int().min(0).optional(),
  limit: z.int().min(1).max(UHRP_LOOKUP_LIMIT_MAX).optional(),
  skip: skip.optional(),
})
