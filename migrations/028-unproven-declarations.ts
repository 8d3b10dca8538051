import type { Knex } from 'knex'

/** What strangers declare without a proof is kept for a time, and only so much of it. */
export const unprovenDeclarations = {
  name: '028-unproven-declarations',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table declarations
        -- Null: proven, or admitted here. Else it goes by then, unless it is one of them.
        add column expires_ms bigint,
        -- Where it came from, and what it takes, while it has an end.
        add column network text,
        add column bytes bigint not null default 0;
      update declarations set expires_ms = declared_ms + 604800000, network = 'unknown', bytes = octet_length(raw)
        where status = 'pending';
      create index declarations_unproven on declarations (expires_ms) include (network, bytes)
        where expires_ms is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('alter table declarations drop column expires_ms, drop column network, drop column bytes')
  },
}
