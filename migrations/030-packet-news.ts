import type { Knex } from 'knex'

/** What those are told who follow packets and are past them, how nodes hear that packets have moved on, and tickets. */
export const packetNews = {
  name: '030-packet-news',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- filled: it has reached a stage after later ones of its partition had. unanchored: its anchor was lost. Read in the
      -- order of (xid, id), up to the oldest transaction that is under way: then nothing comes in before it any more.
      create table packet_news (
        partition_id integer not null,
        xid xid8 not null default pg_current_xact_id(),
        id bigint generated always as identity,
        packet_no bigint not null,
        what text not null check (what in ('filled', 'unanchored')),
        stage text not null,
        told_at timestamptz not null,
        primary key (partition_id, xid, id)
      );
      create index packet_news_by_time on packet_news (told_at);
      -- Up to where a partition's news were swept: whoever comes from before that is told so.
      create table packet_news_swept (
        partition_id integer primary key,
        xid xid8 not null,
        id bigint not null
      );

      -- From 1 on; 0 where nothing was agreed.
      create function packet_rank(state text) returns integer language sql immutable as $$
        select coalesce(array_position(array['received', 'normalized', 'validated', 'certified', 'anchored', 'proven'], state), 0)
      $$;

      -- The last packet at each state is looked for whenever somebody follows: also where a partition has none there.
      create index packet_states_by_stage on packet_states (partition_id, state, packet_no);

      -- It was passed by, or had an anchor that is gone: who follows was told so, and is told when that is over.
      alter table packet_states add column was_passed_by boolean not null default false,
        add column was_unanchored boolean not null default false;
      create function note_what_was_told() returns trigger language plpgsql as $$
      begin
        if new.state = 'split' then new.was_passed_by := true; end if;
        if tg_op = 'UPDATE' and new.state = 'certified' and old.state in ('anchored', 'proven') then
          new.was_unanchored := true;
        end if;
        return new;
      end $$;
      create trigger note_what_was_told before insert or update of state on packet_states
        for each row execute function note_what_was_told();

      create function tell_of_new_packets() returns trigger language plpgsql as $$
      begin
        if not exists (select from fresh) then return null; end if;
        ${waitForOthers("fresh where packet_rank(fresh.state) > 1 or fresh.state = 'split'")}
        ${tell(`
          select fresh.partition_id, fresh.packet_no, stage.name, fresh.changed_at, false as is_told, false as was_waited_for
            from fresh join unnest(${stages}) as stage (name) on packet_rank(fresh.state) >= packet_rank(stage.name)`)}
        ${notify}
        return null;
      end $$;

      create function tell_of_packets() returns trigger language plpgsql as $$
      begin
        -- Told also of statements that have changed nothing, as the one below may be.
        if not exists (select from fresh) then return null; end if;
        ${waitForOthers(`fresh join before using (partition_id, packet_no)
          where packet_rank(fresh.state) > packet_rank(before.state) or fresh.state = 'split'`)}
        ${tell(`
          select fresh.partition_id, fresh.packet_no, stage.name, fresh.changed_at,
              fresh.was_passed_by or (fresh.was_unanchored and stage.name in ('anchored', 'proven')) as is_told,
              before.state = 'anchored' as was_waited_for
            from fresh join before using (partition_id, packet_no)
            join unnest(${stages}) as stage (name) on packet_rank(fresh.state) >= packet_rank(stage.name)
              and packet_rank(before.state) < packet_rank(stage.name)
            where (stage.name <> 'validated' or before.processed_at is null)
              and (stage.name <> 'certified' or before.certified_at is null)`)}
        insert into packet_news (partition_id, packet_no, what, stage, told_at)
          select fresh.partition_id, fresh.packet_no, 'unanchored', 'anchored', fresh.changed_at
            from fresh join before using (partition_id, packet_no)
            where before.state in ('anchored', 'proven') and fresh.state = 'certified'
            order by 1, 2;
        ${notify}
        return null;
      end $$;

      create trigger tell_of_new_packets after insert on packet_states
        referencing new table as fresh for each statement execute function tell_of_new_packets();
      create trigger tell_of_packets after update on packet_states
        referencing old table as before new table as fresh for each statement execute function tell_of_packets();

      -- Each lets one connection in as the identity that asked for it. The secret itself is nowhere.
      create table stream_tickets (
        ticket_hash bytea primary key check (octet_length(ticket_hash) = 32),
        identity_key text not null,
        route text not null check (route in ('watch', 'events')),
        expires_ms bigint not null
      );
      create index stream_tickets_by_identity on stream_tickets (identity_key, expires_ms);
      create index stream_tickets_by_expiry on stream_tickets (expires_ms);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table stream_tickets;
      drop trigger note_what_was_told on packet_states;
      drop function note_what_was_told();
      drop trigger tell_of_packets on packet_states;
      drop trigger tell_of_new_packets on packet_states;
      drop function tell_of_packets();
      drop function tell_of_new_packets();
      drop function packet_rank(text);
      drop table packet_news, packet_news_swept;
      drop index packet_states_by_stage;
      alter table packet_states drop column was_passed_by, drop column was_unanchored
    `)
  },
}

const stages = "array['normalized', 'validated', 'certified', 'anchored', 'proven']"

/**
 * Who moves a packet and who moves one behind it must see each other, or readers pass by the first one and are never told that
 * it came. So they take turns, until they commit; one statement after another, as each sees what was committed before it.
 */
function waitForOthers(moved: string): string {
  return `perform pg_advisory_xact_lock(hashtext('assay: packet news'), one.partition_id)
          from (select distinct partition_id from ${moved} order by partition_id) as one;`
}

/**
 * \`reached\` are packets and the stages that they have come to. What stood behind them is found once for each partition and
 * stage, among so many of the last ones that one of them was there before; so the work grows with what has moved alone.
 */
function tell(reached: string): string {
  return `with reached as materialized (${reached}), moved as (
            select partition_id, count(distinct packet_no) as packets, max(changed_at) as changed_at from reached group by 1
          ), last as (
            select moved.partition_id, at.state, known.packet_no from moved
              cross join unnest('{split}'::text[] || ${stages}) as at (state)
              cross join lateral (select packet_no from packet_states as known
                where known.partition_id = moved.partition_id and known.state >= at.state and known.state <= at.state
                order by known.state desc, known.packet_no desc limit moved.packets + 1) as known
          ), others as (
            select last.partition_id, stage.name, last.packet_no
              from last join unnest(${stages}) as stage (name)
                on last.state = 'split' or packet_rank(last.state) >= packet_rank(stage.name)
            except select partition_id, name, packet_no from reached
          ), tops as (
            select partition_id, name, max(packet_no) as packet_no from others group by 1, 2
          ), proofs as (
            -- Blocks prove certificates in any order, so readers wait for those that are anchored: twice as long as this, so
            -- that none of them has passed by what is not told.
            select moved.partition_id, known.packet_no from moved cross join lateral (
              select packet_no from packet_states as known
                where known.partition_id = moved.partition_id and known.state >= 'proven' and known.state <= 'proven'
                  and known.changed_at < moved.changed_at - interval '5 s'
                order by known.state desc, known.packet_no desc limit 1) as known
          ), passed as (
            -- It was not anchored when readers came by, and so not waited for: they are told once it is proven.
            update packet_states as known set was_passed_by = true
              from reached join tops on tops.partition_id = reached.partition_id and tops.name = 'proven'
              where reached.name = 'anchored' and reached.packet_no < tops.packet_no and not reached.is_told
                and known.partition_id = reached.partition_id and known.packet_no = reached.packet_no
          )
          insert into packet_news (partition_id, packet_no, what, stage, told_at)
            select reached.partition_id, reached.packet_no, 'filled', reached.name, reached.changed_at
              from reached
              left join tops on tops.partition_id = reached.partition_id and tops.name = reached.name
              left join proofs on proofs.partition_id = reached.partition_id
              where reached.is_told or reached.packet_no < case when reached.name = 'proven' and reached.was_waited_for
                then proofs.packet_no else tops.packet_no end
              order by reached.partition_id, reached.packet_no, packet_rank(reached.name);`
}

/** Which partitions; with too many for a notice none is named, which stands for all. */
const notify = `perform pg_notify('assay_packets', case when length(ids) > 7000 then '' else ids end) from (
          select string_agg(distinct partition_id::text, ' ') as ids from fresh) as told where ids is not null;`
