import type { Pool } from 'pg'
import { oneByOne } from '../../runtime/one-by-one.ts'
import { bytea, hexOf } from '../postgres/sql.ts'

/** A peer that has shaken hands with us. Nonces are in base64, as they travel. */
export type AuthSession = {
  readonly sessionNonce: string
  readonly identityKey: string
  readonly peerNonce: string
}

/** Sessions in PostgreSQL: what one node knows, all on the same database know, also after a restart. */
export type SessionStore = {
  /** Resolves once every node knows the session; `full`: there is no room, and none was added. */
  add(session: AuthSession): Promise<'added' | 'full'>
  find(sessionNonce: string): Promise<AuthSession | undefined>
  /** Takes note of a request whose signature holds; only a `fresh` one may be worked on, whichever node it came to. */
  use(sessionNonce: string, nonce: string): Promise<'fresh' | 'repeated' | 'ended'>
  /** Forgets what has expired, and counts what is left. */
  sweep(): Promise<void>
  /** As counted last, and what this process has added since. */
  count(): number
}

export type SessionLimits = {
  /** From the first request that proves who asks; then a client shakes hands again, by itself. */
  readonly sessionMsMax: number
  /** From the handshake to that request: until then anybody may have named this identity. */
  readonly unprovenMsMax: number
  /** In all. It is counted at every sweep, so between two of them nodes may together go a little beyond. */
  readonly sessionsMax: number
  /**
   * One more, and the one that was used longest ago makes room; unproven ones first. Each node adds one at a time;
   * several that add one for the same peer at once may leave as many more, until the next.
   */
  readonly sessionsPerPeerMax: number
  /** Each is remembered until its session ends, so a session ends after so many. */
  readonly requestsPerSessionMax: number
}

export const sessionLimits: SessionLimits = {
  sessionMsMax: 3_600_000,
  unprovenMsMax: 60_000,
  sessionsMax: 100_000,
  sessionsPerPeerMax: 64,
  requestsPerSessionMax: 100_000,
}

export function openSessionStore(
  pool: Pool,
  now: () => number,
  limits: SessionLimits = sessionLimits,
): SessionStore {
  const rows = countOf(pool)
  const inTurn = oneByOne()
  return {
    async add({ sessionNonce, identityKey, peerNonce }) {
      if (rows.count() >= limits.sessionsMax) return 'full'
      const added = inTurn(identityKey, () => {
        const nowMs = now()
        return pool.query({
          name: 'auth-add',
          text: addSession,
          values: [
            fromBase64(sessionNonce),
            bytea(identityKey),
            peerNonce,
            nowMs,
            nowMs + limits.unprovenMsMax,
            limits.sessionsPerPeerMax,
          ],
        })
      })
      await rows.add(added)
      return 'added'
    },

    async find(sessionNonce) {
      const { rows } = await pool.query<{ identity: Buffer; peerNonce: string }>({
        name: 'auth-find',
        text: `select identity, peer_nonce as "peerNonce" from auth_sessions
          where session = $1 and expires_ms > $2 and requests < $3`,
        values: [fromBase64(sessionNonce), now(), limits.requestsPerSessionMax],
      })
      const [found] = rows
      return found && { sessionNonce, identityKey: hexOf(found.identity), peerNonce: found.peerNonce }
    },

    async use(sessionNonce, nonce) {
      const nowMs = now()
      const { rows } = await pool.query<{ alive: boolean; fresh: boolean }>({
        name: 'auth-use',
        text: useSession,
        values: [
          fromBase64(sessionNonce),
          fromBase64(nonce),
          nowMs,
          nowMs + limits.sessionMsMax,
          limits.requestsPerSessionMax,
        ],
      })
      if (rows[0]?.alive !== true) return 'ended'
      return rows[0].fresh ? 'fresh' : 'repeated'
    },

    async sweep() {
      await pool.query('delete from auth_sessions where expires_ms <= $1', [now()])
      await rows.recount()
    },

    count: rows.count,
  }
}

/** How many there are, without asking each time: as counted last, and what has been added here since. */
function countOf(pool: Pool) {
  let counted = 0
  let added = 0
  let underWay = 0
  return {
    count: () => counted + added,
    async add(adding: Promise<unknown>) {
      added += 1
      underWay += 1
      try {
        await adding
      } finally {
        underWay -= 1
      }
    },
    async recount() {
      // What is under way may be counted twice until the next time, but never not at all.
      const included = added - underWay
      const { rows } = await pool.query<{ count: number }>('select count(*) from auth_sessions')
      counted = rows[0]?.count ?? 0
      added -= included
    },
  }
}

// A stranger can shake hands under anybody's name, so what a peer has proven never makes room for what it has not.
const addSession = `
  with others as (
    select session, row_number() over (order by requests > 0 desc, used_ms desc) as place
      from auth_sessions where identity = $2::bytea
  ), gone as (
    delete from auth_sessions where session in (select session from others where place >= $6::int)
  )
  insert into auth_sessions (session, identity, peer_nonce, used_ms, expires_ms)
    values ($1, $2, $3, $4::bigint, $5::bigint)`

const useSession = `
  with alive as (
    update auth_sessions
      set requests = requests + 1, used_ms = $3::bigint,
        expires_ms = case requests when 0 then $4::bigint else expires_ms end
      where session = $1::bytea and expires_ms > $3::bigint and requests < $5::int
      returning session
  ), fresh as (
    insert into auth_nonces (session, nonce) select session, $2 from alive on conflict do nothing returning nonce
  )
  select exists (select from alive) as alive, exists (select from fresh) as fresh`

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
