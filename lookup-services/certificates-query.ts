import * as z from 'zod'
import { levels } from '../src/core/level.ts'
import { closed } from '../src/core/schema.ts'
import type { CertificatesQuery } from './certificates-index.ts'
import { cursor } from './cursor.ts'
import { hash, name, order, publicKey, readQuery, timeMs, word } from './query-members.ts'

export const CERTIFICATES_LOOKUP_LIMIT_DEFAULT = 50
export const CERTIFICATES_LOOKUP_LIMIT_MAX = 500

/** What somebody asks, or InvalidQuery with the member that is wrong. */
export function readCertificatesQuery(service: string, query: unknown): CertificatesQuery {
  const asked = readQuery(service, shape, query, filters)
  const {
    findAll: _,
    cursor: after,
    limit = CERTIFICATES_LOOKUP_LIMIT_DEFAULT,
    order = 'desc',
    ...narrowing
  } = asked
  return { ...narrowing, limit, order, after }
}

const narrowing = {
  eventId: hash.optional(),
  roundId: hash.optional(),
  packetId: hash.optional(),
  versionId: hash.optional(),
  supersedes: hash.optional(),
  contentHash: hash.optional(),
  txid: hash.optional(),
  coordinator: publicKey.optional(),
  streamId: name.optional(),
  partition: z.int().min(0).optional(),
  packetNo: z.int().min(0).optional(),
  sourceId: name.optional(),
  publisherKey: publicKey.optional(),
  createdFromMs: timeMs.optional(),
  createdToMs: timeMs.optional(),
  template: word.optional(),
  level: z.enum(levels).optional(),
  agentKey: publicKey.optional(),
  operator: publicKey.optional(),
  spent: z.boolean().optional(),
  admittedFromMs: timeMs.optional(),
  admittedToMs: timeMs.optional(),
}

const shape = closed({
  findAll: z.literal(true).optional(),
  ...narrowing,
  limit: z.int().min(1).max(CERTIFICATES_LOOKUP_LIMIT_MAX).optional(),
  order: order.optional(),
  cursor: cursor.optional(),
})

const filters = z.object(narrowing).keyof().options
