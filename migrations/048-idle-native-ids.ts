import type { Knex } from 'knex'

/**
 * An id of a source's own is never forgotten, as its events stay in the log: those that nothing new has come of for long keep
 * the latest payload alone. Few have had any other.
 */
export const idleNativeIds = {
  name: '048-idle-native-ids',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index native_ids_by_arrival;
      alter table native_ids rename column first_ms to changed_ms;
      create index native_ids_with_earlier on native_ids (changed_ms) where earlier is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index native_ids_with_earlier;
      alter table native_ids rename column changed_ms to first_ms;
      create index native_ids_by_arrival on native_ids using brin (first_ms) with (autosummarize = on);
    `)
  },
}
