import type { Knex } from 'knex'

/** What requests under the legacy profile were signed with: none is listened to twice, by whichever node. */
export const requestNonces = {
  name: '014-request-nonces',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table request_nonces (
        identity bytea not null check (octet_length(identity) = 33),
        -- Nanoseconds since 1970, as the sender has them.
        nonce bigint not null,
        -- From then on the signature is too old anyway.
        until_ms bigint not null,
        primary key (identity, nonce)
      );
      create index request_nonces_expiry on request_nonces (until_ms);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table request_nonces')
  },
}
