import type { Knex } from 'knex'

/**
 * An id of a source's own is never forgotten, as its events stay in the log: those that nothing new has come of for long keep
 * the latest payload alone. Few have had any other. Nodes of the version before go on beside it.
 */
export const idleNativeIds = {
  name: '045-idle-native-ids',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- When the latest of several payloads came; null where the first is the only one.
      alter table native_ids add changed_ms bigint;
      create index native_ids_with_earlier on native_ids (coalesce(changed_ms, first_ms)) where earlier is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index native_ids_with_earlier;
      alter table native_ids drop column changed_ms;
    `)
  },
}
