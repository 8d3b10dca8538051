import { bytea, type Queryable } from '../postgres/sql.ts'
import { isToken, newToken, tokenHash } from './token.ts'

export const ticketBounds = { ticketMsMax: 60_000, ticketsMax: 100 }
export type TicketBounds = typeof ticketBounds

export type Ticket = { readonly token: string; readonly expiresMs: number }

/** Leave to read one object once, for whoever has it; undefined where this reader has enough of them already. */
export async function issueTicket(
  db: Queryable,
  sha256: string,
  reader: string,
  { ticketMsMax, ticketsMax }: TicketBounds,
  nowMs: number,
): Promise<Ticket | undefined> {
  const token = newToken()
  const expiresMs = nowMs + ticketMsMax
  const { rowCount } = await db.query({
    text: `insert into uhrp_read_tickets (token_hash, reader, sha256, expires_ms)
      select $1, $2, decode($3, 'hex'), $4
      where (select count(*) from uhrp_read_tickets where reader = $2 and expires_ms > $5) < $6`,
    values: [tokenHash(token), bytea(reader), sha256, expiresMs, nowMs, ticketsMax],
  })
  return rowCount === 1 ? { token, expiresMs } : undefined
}

/** The identity key that the ticket was given to, which is then used up; undefined where it is none for this object. */
export async function redeemTicket(
  db: Queryable,
  token: string,
  sha256: string,
  nowMs: number,
): Promise<string | undefined> {
  if (!isToken(token)) return undefined
  const { rows } = await db.query<{ reader: string }>({
    name: 'uhrp-redeem-ticket',
    text: `delete from uhrp_read_tickets where token_hash = $1 and sha256 = decode($2, 'hex') and expires_ms > $3
      returning encode(reader, 'hex') as reader`,
    values: [tokenHash(token), sha256, nowMs],
  })
  return rows[0]?.reader
}
