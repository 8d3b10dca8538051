import type { Knex } from 'knex'

/** What events are listed and searched by: never more of the table than a page asks for, whoever else writes into it. */
export const search = {
  name: '031-search',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Readers are let into partitions, so partitions come first: what may not be read is not even passed over. The
      -- sequence ends ties, of which one long request has as many as it has events.
      drop index projected_events_by_time, projected_events_by_source, projected_events_by_type;
      create index projected_events_by_partition on projected_events (partition_id, ingested_at, seq);
      create index projected_events_by_source on projected_events (source_id, partition_id, ingested_at, seq);

      -- In which partitions a type occurs at all, and since when no more: an index of every event would cost each of
      -- them as much as the row of a type does once.
      create table projected_types (
        partition_id integer not null,
        event_type text collate "C" not null,
        last_at timestamptz not null,
        primary key (event_type, partition_id)
      ) with (fillfactor = 70);
      insert into projected_types
        select partition_id, event_type, max(ingested_at) from projected_events group by 1, 2;

      -- {fields?, text?}: what of its payloads can be searched.
      alter table streams add column search jsonb;

      -- A field of a stream that values or words are searched in, from when on. What was projected before is not in the
      -- terms until the projections are built again.
      create table search_fields (
        id integer generated always as identity primary key,
        stream_id text not null references streams,
        kind text not null check (kind in ('value', 'words')),
        path text collate "C" not null,
        since_ms bigint not null,
        unique (stream_id, kind, path)
      );
      -- Rows for streams that ask for it, and for nobody else.
      create table search_terms (
        field_id integer not null,
        term text collate "C" not null,
        ingested_at timestamptz not null,
        partition_id integer not null,
        seq bigint not null,
        primary key (field_id, term, ingested_at, partition_id, seq)
      );
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table search_terms, search_fields;
      alter table streams drop column search;
      drop table projected_types;
      drop index projected_events_by_source, projected_events_by_partition;
      create index projected_events_by_source on projected_events (source_id, ingested_at);
      create index projected_events_by_type on projected_events (event_type, ingested_at);
      create index projected_events_by_time on projected_events (ingested_at);
    `)
  },
}
