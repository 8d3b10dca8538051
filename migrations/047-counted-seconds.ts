import type { Knex } from 'knex'

/** A rate is counted in one row, which says what earlier seconds owe; there was one for each second until now. */
export const countedSeconds = {
  name: '047-counted-seconds',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Of a rate: the second that was counted in last.
      alter table meters add counted_ms bigint not null default 0;
      delete from meters where window_ms = 1000;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      delete from meters where window_ms = 1;
      alter table meters drop column counted_ms;
    `)
  },
}
