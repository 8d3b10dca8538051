import type { Knex } from 'knex'

/** Retentions are gone through in the order of their end, page by page: two that end at once have an order as well. */
export const retentionsByEnd = {
  name: '046-retentions-by-end',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index uhrp_retentions_by_end;
      create index uhrp_retentions_by_end on uhrp_retentions (retain_until_ms, sha256);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index uhrp_retentions_by_end;
      create index uhrp_retentions_by_end on uhrp_retentions (retain_until_ms);
    `)
  },
}
