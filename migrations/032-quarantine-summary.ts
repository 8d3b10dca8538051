import type { Knex } from 'knex'

/** What is held of each stream is counted without reading what was held once. */
export const quarantineSummary = {
  name: '032-quarantine-summary',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create index quarantine_held_by_stream on quarantine (stream_id, reason, received_ms) where state = 'held'
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop index quarantine_held_by_stream')
  },
}
