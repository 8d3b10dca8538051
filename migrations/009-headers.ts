import type { Knex } from 'knex'

/** What a node on a public network keeps of its chain, and which network a database belongs to. */
export const headers = {
  name: '009-headers',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table headers (
        hash bytea primary key check (octet_length(hash) = 32),
        previous bytea not null check (octet_length(previous) = 32),
        height integer not null check (height >= 0),
        header bytea not null check (octet_length(header) = 80),
        -- Of this header and all before it: how many hashes it takes on average to make them.
        work numeric not null check (work > 0),
        best boolean not null
      );
      -- One chain is the best, and it has one header at each height.
      create unique index headers_best on headers (height) where best;
    `)
    await knex.raw(`
      create table network (
        one boolean primary key default true check (one),
        name text not null check (name in ('local', 'testnet', 'mainnet'))
      );
      -- Before this, there was no other.
      insert into network (name) select 'local' where exists (select from chain_blocks)
        or exists (select from transactions)
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table network, headers')
  },
}
