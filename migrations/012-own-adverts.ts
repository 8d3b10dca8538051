import type { Knex } from 'knex'

/** What this node says of itself in public. */
export const ownAdverts = {
  name: '012-own-adverts',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table own_adverts (
        id bigint generated always as identity primary key,
        kind text not null check (kind in ('SHIP', 'SLAP')),
        name text not null,
        domain text not null,
        identity_key bytea not null check (octet_length(identity_key) = 33),
        -- Where it stands, and what it takes to withdraw it.
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null,
        script bytea not null,
        -- When a node last wanted it.
        wanted_ms bigint not null,
        -- What spends it, or nothing where it never came to stand.
        withdrawn_by bytea check (octet_length(withdrawn_by) = 32),
        withdrawn_ms bigint,
        -- How often a transaction was written to withdraw it.
        withdrawals integer not null default 0
      );
      create index own_adverts_standing on own_adverts (id) where withdrawn_ms is null;
      create index own_adverts_withdrawn on own_adverts (withdrawn_by) where withdrawn_by is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table own_adverts')
  },
}
