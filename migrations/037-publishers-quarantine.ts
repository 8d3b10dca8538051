import type { Knex } from 'knex'

/** Publishers decide over what is held of their own, and every decision is in the record of changes. */
export const publishersQuarantine = {
  name: '037-publishers-quarantine',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Publishers are named to one another, and operators are not: an operator may prove an identity key, too.
      alter table quarantine_steps add by_publisher boolean not null default false;

      -- Whatever is asked for of one feed or stream, a page is read from as many entries as it has items.
      create index quarantine_of_source on quarantine (source_id, state, reason, id);
      create index quarantine_of_stream on quarantine (stream_id, state, reason, id);

      alter table registry_changes drop constraint registry_changes_kind_check,
        add constraint registry_changes_kind_check
          check (kind in ('source', 'stream', 'secret', 'publisher', 'quarantine')),
        drop constraint registry_changes_what_check,
        add constraint registry_changes_what_check
          check (what in ('created', 'changed', 'added', 'ends', 'revoked', 'released', 'waived')),
        -- Of a decision, whose subject is the source: the stream whose owner could have made it, too.
        add stream_id text;
      create index registry_changes_of_stream on registry_changes (stream_id, id) where stream_id is not null;
      -- Decisions are as many as what was held, and no changes of a day.
      create index registry_changes_of_day on registry_changes (who, at_ms) where kind <> 'quarantine';
      -- A release is recorded in the transaction that lets the event in.
      do $$
        begin
          if to_regrole('assay_log') is not null then
            grant insert on registry_changes to assay_log;
          end if;
        end $$;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      do $$
        begin
          if to_regrole('assay_log') is not null then
            revoke insert on registry_changes from assay_log;
          end if;
        end $$;
      drop index registry_changes_of_stream, registry_changes_of_day;
      alter table registry_changes disable trigger append_only;
      delete from registry_changes where kind = 'quarantine';
      alter table registry_changes enable trigger append_only;
      alter table registry_changes drop column stream_id,
        drop constraint registry_changes_kind_check,
        add constraint registry_changes_kind_check check (kind in ('source', 'stream', 'secret', 'publisher')),
        drop constraint registry_changes_what_check,
        add constraint registry_changes_what_check
          check (what in ('created', 'changed', 'added', 'ends', 'revoked'));
      drop index quarantine_of_source, quarantine_of_stream;
      alter table quarantine_steps drop column by_publisher;
    `)
  },
}
