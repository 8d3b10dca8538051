import type { Knex } from 'knex'

/** What a peer that was away asks for, in the order of writing; and how far this node has got with others. */
export const sync = {
  name: '010-sync',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- The database transaction that wrote an answer. Times and sequences are given out before a commit, and commits
      -- come in any order: of these, all below the oldest one under way are there to be seen, and no other will come.
      alter table applied add column written xid8 not null default pg_current_xact_id();
      create index applied_by_writing on applied (topic, written, txid);

      -- Numbers of database transactions mean something in one cluster only: restored into another one, the rows have to
      -- be written again.
      create table sync_feed (one boolean primary key default true check (one), name uuid not null, cluster text not null);
      insert into sync_feed (name, cluster) select gen_random_uuid(), system_identifier::text from pg_control_system();

      create table sync_cursors (
        peer text not null,
        topic text not null,
        cursor text not null,
        touched_ms bigint not null,
        primary key (peer, topic)
      );

      -- What a peer has sent and this node has not taken: to be tried again when it is due, or refused for good.
      create table sync_unsettled (
        peer text not null,
        topic text not null,
        txid bytea not null check (octet_length(txid) = 32),
        -- Where in the peer's order it follows.
        after text,
        attempts integer not null,
        due_ms bigint,
        reason text not null,
        noted_ms bigint not null,
        primary key (peer, topic, txid)
      );
      create index sync_unsettled_due on sync_unsettled (peer, topic, due_ms) where due_ms is not null;
      create index sync_unsettled_refused on sync_unsettled (peer, noted_ms) where due_ms is null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table sync_unsettled, sync_cursors, sync_feed;
      alter table applied drop column written;
    `)
  },
}
