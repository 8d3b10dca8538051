import type { Knex } from 'knex'

/**
 * What keeps the log as it was written: triggers that refuse every change, and a role that is not allowed any. Also
 * what sealing has to find quickly, and what it has seen of the sequences of sources.
 */
export const logGuards = {
  name: '016-log-guards',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create index partition_heads_unsealed on partition_heads (unsealed_since_ms)
        where unsealed_since_ms is not null;

      -- Bytes that are public without being advertised: packets of which there is no certificate yet.
      alter table uhrp_retentions add advertise boolean not null default true;

      -- Sequences that a source has used in a stream: [lowest, highest], without the gaps, [[first, last], …] in order.
      create table source_sequences (
        source_id text not null,
        stream_id text not null,
        lowest numeric(20) not null,
        highest numeric(20) not null,
        missing numeric(20) not null,
        gaps text not null,
        -- Gaps that were too many to remember.
        forgotten bigint not null,
        updated_ms bigint not null,
        primary key (source_id, stream_id)
      );
      create index source_sequences_missing on source_sequences (missing) where missing > 0;

      -- Up to which packet the lines of a partition were given up.
      create table given_up_lines (
        partition_id integer primary key references partitions,
        up_to_packet bigint not null
      );

      create function assay_refuse_change() returns trigger language plpgsql as $$
        begin
          raise exception '% is append-only: % is refused', tg_table_name, tg_op
            using errcode = 'integrity_constraint_violation',
              hint = 'What is in the log stays as it is; a correction is another event.';
        end $$;

      -- The lines of a segment may be given up once they are in a packet, through assay_forget_lines and no other way.
      create function assay_guard_segment() returns trigger language plpgsql as $$
        begin
          if tg_op = 'UPDATE' and current_setting('assay.forgetting_lines', true) = 'on' and new.lines is null then
            new.lines := old.lines;
            if new is not distinct from old and exists (
              select from packets made join seal_marks mark using (partition_id, packet_no)
              where made.partition_id = old.partition_id and made.first_seq <= old.first_seq
                and old.first_seq + old.count <= mark.up_to_seq)
            then
              new.lines := null;
              return new;
            end if;
          end if;
          raise exception 'segments is append-only: % is refused', tg_op
            using errcode = 'integrity_constraint_violation',
              hint = 'What is in the log stays as it is; lines that a packet holds are given up by assay_forget_lines.';
        end $$;

      create trigger append_only before update or delete on segments
        for each row execute function assay_guard_segment();
      create trigger append_only_whole before truncate on segments
        for each statement execute function assay_refuse_change();
    `)
    for (const table of appendOnly)
      await knex.raw(`create trigger append_only before update or delete or truncate on ${table}
        for each statement execute function assay_refuse_change()`)

    await knex.raw(`
      create function assay_forget_lines(of_partition integer, of_packet bigint) returns bigint
        language plpgsql as $$
        declare
          given_up bigint;
        begin
          perform set_config('assay.forgetting_lines', 'on', true);
          update segments set lines = null
            from packets made
            where made.partition_id = of_partition and made.packet_no = of_packet
              and segments.partition_id = of_partition and segments.count > 0 and segments.lines is not null
              and segments.first_seq >= made.first_seq and segments.first_seq < made.first_seq + made.count;
          get diagnostics given_up = row_count;
          perform set_config('assay.forgetting_lines', 'off', true);
          return given_up;
        end $$;
      revoke all on function assay_forget_lines(integer, bigint) from public;

      -- A role belongs to the server, not to the database: others may be making it at this moment, and whoever
      -- migrates may not be allowed to. Without it the triggers stand alone, and the node says so.
      do $$
        declare
          attempt integer := 0;
        begin
          loop
            begin
              if to_regrole('assay_log') is null then
                create role assay_log nologin;
              end if;
              -- Who made it may take it where roles are strict about it, and a superuser in any case.
              if not pg_has_role(current_user, 'assay_log', 'MEMBER')
                or (current_setting('server_version_num')::int >= 160000
                  and not (select rolsuper from pg_roles where rolname = current_user))
              then
                execute format('grant assay_log to %I', current_user);
              end if;
              exit;
            exception
              when insufficient_privilege then
                exit;
              when duplicate_object or unique_violation or internal_error then
                attempt := attempt + 1;
                if attempt >= 20 then
                  raise;
                end if;
                perform pg_sleep(0.05);
            end;
          end loop;
          if to_regrole('assay_log') is not null then
            execute format('grant usage on schema %I to assay_log', current_schema());
            grant select on partitions, segments, seal_marks, packets, policy_sets, quarantine_steps, streams,
              overlay_event_sources to assay_log;
            grant insert on partitions, segments, seal_marks, packets, policy_sets, quarantine_steps to assay_log;
            grant select, insert, update on partition_heads, native_ids, quarantine, idempotency_keys, meters,
              source_sequences to assay_log;
            grant select, insert on event_ids to assay_log;
            execute format('grant usage on sequence %s to assay_log', pg_get_serial_sequence('quarantine', 'id'));
            -- A key whose request was refused is free again.
            grant delete on idempotency_keys to assay_log;
          end if;
        end $$;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      do $$
        begin
          if to_regrole('assay_log') is not null then
            revoke all on partitions, segments, seal_marks, packets, policy_sets, quarantine_steps, streams,
              overlay_event_sources, partition_heads, native_ids, quarantine, idempotency_keys, meters, event_ids,
              source_sequences from assay_log;
            execute format('revoke all on sequence %s from assay_log', pg_get_serial_sequence('quarantine', 'id'));
            execute format('revoke usage on schema %I from assay_log', current_schema());
          end if;
        end $$;
      drop trigger append_only on segments;
      drop trigger append_only_whole on segments;
    `)
    for (const table of appendOnly) await knex.raw(`drop trigger append_only on ${table}`)
    await knex.raw(`
      drop function assay_forget_lines(integer, bigint);
      drop function assay_guard_segment();
      drop function assay_refuse_change();
      drop table source_sequences, given_up_lines;
      alter table uhrp_retentions drop advertise;
      drop index partition_heads_unsealed;
    `)
  },
}

const appendOnly = ['partitions', 'seal_marks', 'packets', 'policy_sets', 'quarantine_steps']
