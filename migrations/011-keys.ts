import type { Knex } from 'knex'

/** The keys that the nodes of one database share, each sealed with a key that is not in the database. */
export const keys = {
  name: '011-keys',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table node_keys (
        name text not null,
        -- 0, and one more with every rotation. The greatest is in use; the others still open what was locked to them.
        generation integer not null check (generation >= 0),
        identity_key bytea not null check (octet_length(identity_key) = 33),
        sealed bytea not null,
        -- How the key before it handed over.
        succession jsonb check ((generation = 0) = (succession is null)),
        created_ms bigint not null,
        primary key (name, generation)
      )
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table node_keys')
  },
}
