import type { Knex } from 'knex'

/** What a packet has waited is counted when it leaves a round, from its jobs: no clock runs meanwhile. */
export const askedTime = {
  name: '026-asked-time',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table packet_standings drop column waiting_since_ms;
      alter table round_planning drop column planned_ms;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table packet_standings add column waiting_since_ms bigint;
      alter table round_planning add column planned_ms bigint not null default 0;
    `)
  },
}
