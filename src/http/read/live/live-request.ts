import type { IncomingMessage } from 'node:http'
import type { Tickets } from '../../../adapters/reading/live/tickets.ts'
import type { FindReader } from '../../../adapters/reading/readable.ts'
import type { LiveStage } from '../../../core/live/track.ts'
import { anybody, type Reader } from '../../../core/registry/may-read.ts'
import { filterParameters, type LiveFilter, readLiveFilter } from '../../../serve/live/live-filter.ts'
import type { LiveRoute, Start } from '../../../serve/live/ports.ts'
import { readResumeToken, type SealedPositions } from '../../../serve/live/resume-token.ts'
import type { Problem } from '../../problem.ts'

export type LiveRequest = { readonly filter: LiveFilter; readonly start: Start; readonly reader: Reader }

export type LiveRequestDeps = {
  readonly route: LiveRoute
  /** Undefined where the client chooses. */
  readonly stages?: readonly LiveStage[]
  readonly tickets: Pick<Tickets, 'take'>
  readonly findReader: FindReader
  readonly positions: Pick<SealedPositions, 'unseal'>
}

/** What a connection asks for and may see, or why it is not served. */
export async function readLiveRequest(
  request: IncomingMessage,
  { route, stages, tickets, findReader, positions }: LiveRequestDeps,
): Promise<LiveRequest | { readonly problem: Problem }> {
  const { searchParams: query } = new URL(request.url ?? '/', 'http://localhost')
  const unknown = [...query.keys()].find(name => !known.has(name))
  if (unknown !== undefined)
    return bad(
      `there is no parameter ${JSON.stringify(unknown.slice(0, 64))}; there are ${[...known].join(', ')}`,
    )
  if (request.headers['x-bsv-auth-identity-key'] !== undefined)
    return bad('a stream cannot be signed for; ask for a ticket with a signed POST, and say ?ticket= here')
  const filter = readLiveFilter(query, stages)
  if (!filter.ok) return bad(filter.fault.detail)
  const start = startIn(request, query, positions)
  if ('problem' in start) return start

  const [ticket, ...others] = query.getAll('ticket')
  if (others.length > 0) return bad('ticket is there more than once; say it once')
  if (ticket === undefined) return { filter: filter.value, start: start.from, reader: anybody }
  const identityKey = await tickets.take(ticket, route.name)
  if (identityKey === undefined) return { problem: ticketInvalid }
  return { filter: filter.value, start: start.from, reader: await findReader(identityKey) }
}

const known = new Set([...filterParameters, 'last_event_id', 'ticket'])

/** A client that connects again sends the header by itself, and the address as it was. */
function startIn(
  { headers }: IncomingMessage,
  query: URLSearchParams,
  sealed: LiveRequestDeps['positions'],
): { readonly from: Start } | { readonly problem: Problem } {
  const [asked, ...others] = query.getAll('last_event_id')
  if (others.length > 0) return bad('last_event_id is there more than once; say it once')
  const header = headers['last-event-id']
  const text = (typeof header === 'string' && header !== '' ? header : asked) ?? 'latest'
  if (text === 'latest' || text === 'earliest') return { from: text }
  const positions = readResumeToken(text, sealed)
  return positions.ok ? { from: positions.value } : bad(positions.fault.detail)
}

function bad(detail: string): { readonly problem: Problem } {
  return { problem: { code: 'bad-request', detail } }
}

const ticketInvalid: Problem = {
  code: 'ticket-invalid',
  detail: 'the ticket was used, has expired, or is for something else',
}
