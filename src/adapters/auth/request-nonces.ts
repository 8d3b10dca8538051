import type { Pool } from 'pg'
import type { SeenNonce } from '../../contract/request-signature.ts'
import { bytea } from '../postgres/sql.ts'

/** Nonces of signed requests in PostgreSQL: what one node has heard, all on the same database have. */
export type RequestNonces = {
  /** Of a signature that holds; whichever node is asked first gets `fresh`, and every other `repeated`. */
  use(nonce: SeenNonce): Promise<'fresh' | 'repeated'>
  /** Forgets those whose signatures have expired. */
  sweep(): Promise<void>
}

export function openRequestNonces(pool: Pool, now: () => number): RequestNonces {
  return {
    async use({ identityKey, nonce, untilMs }) {
      const { rowCount } = await pool.query({
        name: 'request-nonce-use',
        text: 'insert into request_nonces (identity, nonce, until_ms) values ($1, $2, $3) on conflict do nothing',
        values: [bytea(identityKey), nonce, untilMs],
      })
      return rowCount === 1 ? 'fresh' : 'repeated'
    },

    async sweep() {
      await pool.query('delete from request_nonces where until_ms < $1', [now() - CLOCKS_APART_MS_MAX])
    },
  }
}

/** A node whose clock is behind must not listen to what one ahead of it has forgotten. */
const CLOCKS_APART_MS_MAX = 60_000
