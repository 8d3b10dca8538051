import type { Knex } from 'knex'

/** What has become of the batches that the overlay has admitted, as far as ingest is concerned. */
export const overlayIngest = {
  name: '018-overlay-ingest',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- One row for each (issuer, subject) that was ever admitted: ingest takes each once.
      create table overlay_batches (
        publisher bytea not null check (octet_length(publisher) = 33),
        subject bytea not null check (octet_length(subject) = 32),
        state text not null default 'waiting' check (state in ('waiting', 'taken', 'held', 'refused')),
        -- Whether an admitted transaction still holds it. What was taken stays taken without one.
        standing boolean not null default true,
        -- When it is somebody's turn: while one works on it, the time at which another may.
        due_ms bigint not null,
        -- Counts up with each turn, and names it.
        turn bigint not null default 0,
        attempts integer not null default 0,
        -- What kept it from being taken, last.
        trouble text,
        accepted integer,
        duplicate integer,
        quarantined integer,
        rejected integer,
        settled_ms bigint,
        primary key (publisher, subject)
      );
      create index overlay_batches_due on overlay_batches (due_ms) where state = 'waiting' and standing;

      -- In the transaction that admits a batch or takes it out again, so that nothing is missed and nothing has to be
      -- looked for. In order, so that no two admissions wait for each other. Emptying the index to fill it again
      -- changes nothing.
      create function overlay_batches_admitted() returns trigger language plpgsql as $$
        begin
          insert into overlay_batches (publisher, subject, due_ms)
            select publisher, subject, min(admitted_ms) from listed group by publisher, subject
              order by publisher, subject
            on conflict (publisher, subject) do update set standing = true where not overlay_batches.standing;
          return null;
        end $$;
      create trigger overlay_batches_admitted after insert on gitdata_events
        referencing new table as listed for each statement execute function overlay_batches_admitted();

      create function overlay_batches_evicted() returns trigger language plpgsql as $$
        begin
          update overlay_batches as batch set standing = false
            from (select publisher, subject from removed group by publisher, subject order by publisher, subject) as lost
            where batch.publisher = lost.publisher and batch.subject = lost.subject and not exists (
              select from gitdata_events as other
                where other.publisher = lost.publisher and other.subject = lost.subject);
          return null;
        end $$;
      create trigger overlay_batches_evicted after delete on gitdata_events
        referencing old table as removed for each statement execute function overlay_batches_evicted();

      insert into overlay_batches (publisher, subject, due_ms)
        select publisher, subject, min(admitted_ms) from gitdata_events group by publisher, subject;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop trigger overlay_batches_admitted on gitdata_events;
      drop trigger overlay_batches_evicted on gitdata_events;
      drop function overlay_batches_admitted(), overlay_batches_evicted();
      drop table overlay_batches
    `)
  },
}
