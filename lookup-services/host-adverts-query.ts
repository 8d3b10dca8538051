import * as z from 'zod'
import { readHostAddress } from '../src/contract/host-address.ts'
import type { HostAdvertKind } from '../src/contract/host-advert.ts'
import { closed } from '../src/core/schema.ts'
import type { HostAdvertsQuery } from './host-adverts-index.ts'
import { order, publicKey, readQuery, skip } from './query-members.ts'

export const HOST_LOOKUP_LIMIT_DEFAULT = 100
export const HOST_LOOKUP_LIMIT_MAX = 500
/** Topics that one query may name. */
export const HOST_LOOKUP_TOPICS_MAX = 100

/** What somebody asks, or InvalidQuery with the member that is wrong; undefined where nothing can fit. */
export function readHostAdvertsQuery(
  kind: HostAdvertKind,
  service: string,
  query: unknown,
): HostAdvertsQuery | undefined {
  const asked =
    kind === 'SHIP'
      ? readQuery(service, shipShape, query, ['domain', 'identityKey', 'topics'])
      : readQuery(service, slapShape, query, ['domain', 'identityKey', 'service'])
  const { domain, identityKey, limit = HOST_LOOKUP_LIMIT_DEFAULT, skip = 0, sortOrder = 'desc' } = asked
  // No advert has a domain that is no base URL. Stock clients may still ask for one, and are told of none.
  const base = domain === undefined ? undefined : readHostAddress(domain)?.base
  if (domain !== undefined && base === undefined) return undefined
  return { kind, base, names: namesIn(asked), identityKey, order: sortOrder, limit, skip }
}

const name = z
  .string()
  .regex(/^[!-~]{1,50}$/, 'wanted the name of a topic or lookup service, such as tm_ship')

const members = {
  findAll: z.boolean().optional(),
  domain: z.string().max(1024).optional(),
  identityKey: publicKey.optional(),
  limit: z.int().min(1).max(HOST_LOOKUP_LIMIT_MAX).optional(),
  skip: skip.optional(),
  sortOrder: order.optional(),
}
const shipShape = closed({ ...members, topics: z.array(name).max(HOST_LOOKUP_TOPICS_MAX).optional() })
const slapShape = closed({ ...members, service: name.optional() })

function namesIn(asked: { topics?: string[] | undefined } | { service?: string | undefined }) {
  if ('topics' in asked) return asked.topics
  return 'service' in asked && asked.service !== undefined ? [asked.service] : undefined
}
