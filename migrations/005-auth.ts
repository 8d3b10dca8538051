import type { Knex } from 'knex'

/** Who has proven to be whom over HTTP (BRC-103/104), for every node that works on this database. */
export const auth = {
  name: '005-auth',

  async up(knex: Knex): Promise<void> {
    // Not in the write-ahead log: a server that crashes forgets sessions together with what was said in them, so
    // nothing can be said again, and clients shake hands anew by themselves.
    await knex.raw(`
      create unlogged table auth_sessions (
        session bytea primary key check (octet_length(session) = 48),
        identity bytea not null check (octet_length(identity) = 33),
        -- As the peer has spelled it, because that is how signatures name it.
        peer_nonce text not null check (length(peer_nonce) <= 128),
        -- None: somebody has named this identity, and nobody has proven it yet.
        requests integer not null default 0,
        used_ms bigint not null,
        expires_ms bigint not null
      ) with (fillfactor = 70);
      create index auth_sessions_identity on auth_sessions (identity);
      create index auth_sessions_expiry on auth_sessions (expires_ms);

      -- What has been said in a session, for as long as it lives: nothing is listened to twice.
      create unlogged table auth_nonces (
        session bytea not null references auth_sessions on delete cascade,
        nonce bytea not null check (octet_length(nonce) = 32),
        primary key (session, nonce)
      );
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table auth_nonces, auth_sessions')
  },
}
