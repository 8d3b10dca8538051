import { createHash, randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import type { RouteName } from '../../../serve/live/ports.ts'

/** What lets one connection in as the identity that asked for it, where connections cannot prove who they are. */
export type Tickets = {
  /** Undefined where the identity has too many that nobody has used. */
  give(identityKey: string, route: RouteName): Promise<Ticket | undefined>
  /** Whose it is. It is used up by that; undefined where it was, is too old, is for another route, or never was. */
  take(ticket: string, route: RouteName): Promise<string | undefined>
}

export type Ticket = { readonly ticket: string; readonly expiresMs: number }

export const TICKET_MS = 60_000
export const TICKETS_PER_IDENTITY_MAX = 64

export function openTickets(pool: Pool, now: () => number): Tickets {
  return {
    async give(identityKey, route) {
      const ticket = randomBytes(32).toString('base64url')
      const expiresMs = now() + TICKET_MS
      await pool.query({
        name: 'live-tickets-forget',
        text: 'delete from stream_tickets where expires_ms <= $1',
        values: [now()],
      })
      const { rowCount } = await pool.query({
        name: 'live-tickets-give',
        text: `insert into stream_tickets (ticket_hash, identity_key, route, expires_ms)
          select $1, $2, $3, $4 where (select count(*) from stream_tickets where identity_key = $2) < $5`,
        values: [hashOf(ticket), identityKey, route, expiresMs, TICKETS_PER_IDENTITY_MAX],
      })
      return (rowCount ?? 0) > 0 ? { ticket, expiresMs } : undefined
    },
    async take(ticket, route) {
      if (!ticketForm.test(ticket)) return undefined
      const { rows } = await pool.query<{ identityKey: string }>({
        name: 'live-tickets-take',
        text: `delete from stream_tickets where ticket_hash = $1 and route = $2 and expires_ms > $3
          returning identity_key as "identityKey"`,
        values: [hashOf(ticket), route, now()],
      })
      return rows[0]?.identityKey
    },
  }
}

const ticketForm = /^[A-Za-z0-9_-]{43}$/

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest()
}
