import type { Knex } from 'knex'

/** What ls_gitdata_events looks things up in; dropped and filled again by a reindex without loss. */
export const eventsIndex = {
  name: '003-events-index',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table gitdata_events (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        publisher bytea not null check (octet_length(publisher) = 33),
        stream_id text not null,
        source_id text not null,
        subject bytea not null check (octet_length(subject) = 32),
        count bigint not null check (count > 0),
        carried text not null check (carried in ('inline', 'off-chain', 'url')),
        spent_by bytea check (octet_length(spent_by) = 32),
        admitted_ms bigint not null,
        primary key (txid, vout)
      );
      -- Each ends with the order of the list, so that a page is read where it begins and nothing is sorted. Those of
      -- one transaction are few, and found by the primary key.
      create index gitdata_events_by_time on gitdata_events (admitted_ms, txid, vout);
      create index gitdata_events_by_publisher on gitdata_events (publisher, admitted_ms, txid, vout);
      create index gitdata_events_by_stream on gitdata_events (stream_id, admitted_ms, txid, vout);
      create index gitdata_events_by_source on gitdata_events (source_id, admitted_ms, txid, vout);
      create index gitdata_events_by_subject on gitdata_events (subject, admitted_ms, txid, vout);
      -- Anybody may name a stream or source: those two are asked for together with a publisher.
      create index gitdata_events_by_publisher_stream
        on gitdata_events (publisher, stream_id, admitted_ms, txid, vout);
      create index gitdata_events_by_publisher_source
        on gitdata_events (publisher, source_id, admitted_ms, txid, vout);
      -- Either may be the rare one.
      create index gitdata_events_unspent on gitdata_events (admitted_ms, txid, vout) where spent_by is null;
      create index gitdata_events_spent on gitdata_events (admitted_ms, txid, vout) where spent_by is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table gitdata_events')
  },
}
