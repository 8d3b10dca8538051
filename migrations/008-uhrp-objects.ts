import type { Knex } from 'knex'

/** What is stored by its hash, for whom, and what the overlay is told of it. The bytes themselves are files. */
export const uhrpObjects = {
  name: '008-uhrp-objects',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Names the folder of this database's files, so that two databases under one directory never sweep each other.
      create table uhrp_store (one boolean primary key default true check (one), id text not null);
      insert into uhrp_store (id) values (replace(gen_random_uuid()::text, '-', ''));

      create table uhrp_objects (
        sha256 bytea primary key check (octet_length(sha256) = 32),
        length bigint not null check (length >= 0),
        -- Only what is held has a file.
        state text not null check (state in ('held', 'expired', 'lost', 'corrupt')),
        -- When it was last seen to hash to its name.
        checked_ms bigint not null
      );
      create index uhrp_objects_by_check on uhrp_objects (checked_ms, sha256) where state = 'held';

      -- Why it is kept, until when and for whom. The holder is an identity, a job's seat, or the node itself.
      create table uhrp_retentions (
        sha256 bytea not null references uhrp_objects (sha256),
        holder text not null,
        audience text not null check (audience in ('public', 'restricted')),
        readers bytea[] not null,
        content_type text not null,
        stored_ms bigint not null,
        retain_until_ms bigint not null,
        primary key (sha256, holder)
      );
      create unique index uhrp_one_object_per_seat on uhrp_retentions (holder) where holder like 'seat %';
      create index uhrp_retentions_by_holder on uhrp_retentions (holder, stored_ms);
      create index uhrp_retentions_by_end on uhrp_retentions (retain_until_ms);

      -- Single-use leave to upload. The token itself is with its owner alone.
      create table uhrp_upload_urls (
        token_hash bytea primary key check (octet_length(token_hash) = 32),
        holder text not null,
        length bigint not null,
        retain_ms bigint not null,
        expires_ms bigint not null,
        used boolean not null default false
      );
      create index uhrp_upload_urls_by_holder on uhrp_upload_urls (holder);
      create index uhrp_upload_urls_by_end on uhrp_upload_urls (expires_ms);

      -- Single-use leave to read something restricted.
      create table uhrp_read_tickets (
        token_hash bytea primary key check (octet_length(token_hash) = 32),
        reader bytea not null check (octet_length(reader) = 33),
        sha256 bytea not null references uhrp_objects (sha256) on delete cascade,
        expires_ms bigint not null
      );
      create index uhrp_read_tickets_by_reader on uhrp_read_tickets (reader);
      create index uhrp_read_tickets_by_object on uhrp_read_tickets (sha256);
      create index uhrp_read_tickets_by_end on uhrp_read_tickets (expires_ms);

      -- What the overlay shall be told, and what it has been told. Outlives its object until that is taken back.
      create table uhrp_own_adverts (
        sha256 bytea primary key check (octet_length(sha256) = 32),
        length bigint not null,
        expires_ms bigint not null,
        state text not null check (state in ('wanted', 'advertised', 'unwanted', 'withdrawn')),
        -- One more whenever something else has to be said.
        version integer not null default 0,
        -- Where the latest advert is that is known to be written.
        advert text,
        advertised_ms bigint,
        attempts integer not null default 0,
        due_ms bigint not null,
        last_error text
      );
      create index uhrp_own_adverts_due on uhrp_own_adverts (due_ms) where state in ('wanted', 'unwanted');
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table uhrp_own_adverts, uhrp_read_tickets, uhrp_upload_urls, uhrp_retentions, uhrp_objects, uhrp_store
    `)
  },
}
