import type { IncomingMessage } from 'node:http'
import type { Tickets } from '../../../adapters/reading/live/tickets.ts'
import type { FindReader } from '../../../adapters/reading/readable.ts'
import type { LiveStage } from '../../../core/live/track.ts'
import { anybody, type Reader } from '../../../core/registry/may-read.ts'
import { filterParameters, type LiveFilter, readLiveFilter } from '../../../serve/live/live-filter.ts'
import type { LiveRoute, Start } from '../../../serve/live/ports.ts'
import { readResumeToken, type SealedPositions } from '../../../serve/live/resume-token.ts'
import type { Problem } from '../../problem.ts'

export type LiveRequest = {
  readonly filter: LiveFilter
  readonly start: Start
  readonly reader: Reader
  /** The stored view that is followed. */
  readonly subscriptionId?: string
}

/** Views of certified events that their owners have stored. */
export type StoredViews = {
  /** What is followed under that name, and from where; who comes with a place has everything up to it. */
  open(
    subscriptionId: string,
    identityKey: string,
    acknowledged: string | undefined,
  ): Promise<{ readonly filter: LiveFilter; readonly position: string } | { readonly problem: Problem }>
  /** Of these, the ones that may be followed no more. */
  notActive(subscriptionIds: readonly string[]): Promise<readonly string[]>
}

export type LiveRequestDeps = {
  readonly route: LiveRoute
  /** Undefined where the client chooses. */
  readonly stages?: readonly LiveStage[]
  readonly tickets: Pick<Tickets, 'take'>
  readonly findReader: FindReader
  readonly positions: Pick<SealedPositions, 'unseal'>
  readonly views?: StoredViews
}

/** What a connection asks for and may see, or why it is not served. */
export async function readLiveRequest(
  request: IncomingMessage,
  deps: LiveRequestDeps,
): Promise<LiveRequest | { readonly problem: Problem }> {
  const { route, stages, tickets, findReader, positions, views } = deps
  const { searchParams: query } = new URL(request.url ?? '/', 'http://localhost')
  const parameters = views === undefined ? known : [...known, 'subscription']
  const unknown = [...query.keys()].find(name => !parameters.includes(name))
  if (unknown !== undefined)
    return bad(
      `there is no parameter ${JSON.stringify(unknown.slice(0, 64))}; there are ${parameters.join(', ')}`,
    )
  if (request.headers['x-bsv-auth-identity-key'] !== undefined)
    return bad('a stream cannot be signed for; ask for a ticket with a signed POST, and say ?ticket= here')
  const filter = readLiveFilter(query, stages)
  if (!filter.ok) return bad(filter.fault.detail)
  const start = startIn(request, query, positions)
  if ('problem' in start) return start

  const [ticket, ...others] = query.getAll('ticket')
  if (others.length > 0) return bad('ticket is there more than once; say it once')
  if (ticket === undefined && query.has('subscription'))
    return bad(
      'a subscription is followed by its owner alone: ask for a ticket with a signed POST, and say ?ticket= too',
    )
  if (ticket === undefined) return { filter: filter.value, start: start.from, reader: anybody }
  const identityKey = await tickets.take(ticket, route.name)
  if (identityKey === undefined) return { problem: ticketInvalid }
  if (query.has('subscription')) return openStored(query, start, identityKey, deps)
  return { filter: filter.value, start: start.from, reader: await findReader(identityKey) }
}

const known = [...filterParameters, 'last_event_id', 'ticket']

/** What is asked for, and from where on, was stored. */
async function openStored(
  query: URLSearchParams,
  start: { readonly from: Start; readonly text: string | undefined },
  identityKey: string,
  { views, positions, findReader }: LiveRequestDeps,
): Promise<LiveRequest | { readonly problem: Problem }> {
  const [subscriptionId = '', ...others] = query.getAll('subscription')
  if (others.length > 0) return bad('subscription is there more than once; say it once')
  const own = filterParameters.find(name => query.has(name))
  if (own !== undefined)
    return bad(`${own} is said by the subscription; change it there, or leave one of them out`)
  if (start.text !== undefined && typeof start.from === 'string')
    return bad('a subscription goes on where it stands; POST its position to begin elsewhere')
  const stored = await views?.open(subscriptionId, identityKey, start.text)
  if (stored === undefined || 'problem' in stored) return stored ?? bad('there are no subscriptions here')
  const position = readResumeToken(stored.position, positions)
  if (!position.ok) return bad(position.fault.detail)
  const { filter } = stored
  return { filter, start: position.value, reader: await findReader(identityKey), subscriptionId }
}

/** A client that connects again sends the header by itself, and the address as it was. */
function startIn(
  { headers }: IncomingMessage,
  query: URLSearchParams,
  sealed: LiveRequestDeps['positions'],
): { readonly from: Start; readonly text: string | undefined } | { readonly problem: Problem } {
  const [asked, ...others] = query.getAll('last_event_id')
  if (others.length > 0) return bad('last_event_id is there more than once; say it once')
  const header = headers['last-event-id']
  const text = typeof header === 'string' && header !== '' ? header : asked
  if (text === undefined) return { from: 'latest', text }
  if (text === 'latest' || text === 'earliest') return { from: text, text }
  const positions = readResumeToken(text, sealed)
  return positions.ok ? { from: positions.value, text } : bad(positions.fault.detail)
}

function bad(detail: string): { readonly problem: Problem } {
  return { problem: { code: 'bad-request', detail } }
}

const ticketInvalid: Problem = {
  code: 'ticket-invalid',
  detail: 'the ticket was used, has expired, or is for something else',
}
