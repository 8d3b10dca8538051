import type { Knex } from 'knex'

/** A batch that was held or refused is tried again once its publisher submits it again; how far one was taken is on record. */
export const overlayResubmission = {
  name: '044-overlay-resubmission',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table overlay_batches
        -- The latest time at which a transaction that holds it was admitted.
        add admitted_ms bigint not null default 0,
        -- So many of its first lines are answered; the four counts say how.
        add lines_taken integer not null default 0;

      update overlay_batches as batch set admitted_ms = listed.latest
        from (select publisher, subject, max(admitted_ms) as latest from gitdata_events group by publisher, subject) as listed
        where batch.publisher = listed.publisher and batch.subject = listed.subject;

      -- Those that were submitted again in vain.
      update overlay_batches set state = 'waiting', attempts = 0, due_ms = admitted_ms, settled_ms = null
        where state in ('held', 'refused') and standing and admitted_ms > settled_ms;

      -- Until now only the answers to their steps told how far batches were taken.
      update overlay_batches as batch
        set lines_taken = known.lines, accepted = known.accepted, duplicate = known.duplicate,
          quarantined = known.quarantined, rejected = known.rejected
        from (
          select split_part(key, ':', 1) as publisher, split_part(key, ':', 2) as subject, sum(lines) as lines,
              sum(accepted) as accepted, sum(duplicate) as duplicate, sum(quarantined) as quarantined, sum(rejected) as rejected
            from (
              -- Not cast: answers repeat ids, which may hold what no jsonb can. Quotes within a text are escaped.
              select key, said.lines, said.accepted, said.duplicate, said.quarantined, said.rejected
                from idempotency_keys as step cross join lateral (
                  select count(*) as lines,
                      count(*) filter (where found[1] in ('accepted', 'revision')) as accepted,
                      count(*) filter (where found[1] = 'duplicate') as duplicate,
                      count(*) filter (where found[1] = 'quarantined') as quarantined,
                      count(*) filter (where found[1] = 'rejected') as rejected
                    from regexp_matches(step.answer, '"status":"([a-z]+)"', 'g') as found) as said
                where step.scope = 'overlay'
                  -- That it was held whole was answered under a key like these.
                  and step.answer !~ '"reason":"(batch-unreadable|source-unverified)"') as steps
            group by 1, 2) as known
        where batch.state = 'waiting' and encode(batch.publisher, 'hex') = known.publisher
          and encode(batch.subject, 'hex') = known.subject;

      -- Filling the index again admits nothing later than before.
      create or replace function overlay_batches_admitted() returns trigger language plpgsql as $$
        begin
          insert into overlay_batches as batch (publisher, subject, due_ms, admitted_ms)
            select publisher, subject, min(admitted_ms), max(admitted_ms) from listed group by publisher, subject
              order by publisher, subject
            on conflict (publisher, subject) do update set standing = true,
              admitted_ms = greatest(batch.admitted_ms, excluded.admitted_ms),
              (state, attempts, due_ms, settled_ms) = (
                select case when again then 'waiting' else batch.state end, case when again then 0 else batch.attempts end,
                    case when again then excluded.due_ms else batch.due_ms end,
                    case when not again then batch.settled_ms end
                  from (select batch.state in ('held', 'refused') and excluded.admitted_ms > batch.admitted_ms as again)
                    as submitted)
              where not batch.standing or excluded.admitted_ms > batch.admitted_ms;
          return null;
        end $$;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      create or replace function overlay_batches_admitted() returns trigger language plpgsql as $$
        begin
          insert into overlay_batches (publisher, subject, due_ms)
            select publisher, subject, min(admitted_ms) from listed group by publisher, subject
              order by publisher, subject
            on conflict (publisher, subject) do update set standing = true where not overlay_batches.standing;
          return null;
        end $$;
      alter table overlay_batches drop admitted_ms, drop lines_taken;
    `)
  },
}
