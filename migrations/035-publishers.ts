import type { Knex } from 'knex'

/** Publishers who register and change what is theirs, and a record of it that nobody changes any more. */
export const publishers = {
  name: '035-publishers',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Who may change it as its own; null where operators alone do.
      alter table streams add owner_key text;
      create index streams_by_owner on streams (owner_key, stream_id collate "C") where owner_key is not null;
      create index overlay_event_sources_by_publisher on overlay_event_sources (identity_key, source_id collate "C")
        where identity_key is not null;

      -- What publishers say of themselves. That they hold the key is proven; the rest is their word.
      create table producers (
        identity_key text primary key,
        name text not null,
        website text,
        registered_ms bigint not null,
        updated_ms bigint not null
      );

      alter table registry_changes drop constraint registry_changes_kind_check,
        add constraint registry_changes_kind_check check (kind in ('source', 'stream', 'secret', 'publisher'));
      -- How much a publisher has changed of late.
      create index registry_changes_by_who on registry_changes (who, at_ms);
      create trigger append_only before update or delete or truncate on registry_changes
        for each statement execute function assay_refuse_change();
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop trigger append_only on registry_changes;
      drop index registry_changes_by_who;
      delete from registry_changes where kind = 'publisher';
      alter table registry_changes drop constraint registry_changes_kind_check,
        add constraint registry_changes_kind_check check (kind in ('source', 'stream', 'secret'));
      drop table producers;
      drop index overlay_event_sources_by_publisher, streams_by_owner;
      alter table streams drop owner_key;
    `)
  },
}
