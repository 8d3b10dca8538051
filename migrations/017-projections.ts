import type { Knex } from 'knex'

/** What is read off the log behind the hot path, and the tables that others know by their names. */
export const projections = {
  name: '017-projections',

  async up(knex: Knex): Promise<void> {
    await knex.raw(String.raw`
      -- How far each partition has been read. Written with the rows that were read, so that both are there or neither.
      create table projection_positions (
        partition_id integer primary key references partitions,
        next_append bigint not null default 0,
        next_seq bigint not null default 0,
        -- Of the lines so far.
        bytes bigint not null default 0,
        -- Whose turn was longest ago comes next.
        turn_ms bigint not null default 0,
        -- Not before this time, after it could not be read.
        again_ms bigint not null default 0
      ) with (fillfactor = 50);

      -- Ids are spread evenly, and an index of them all would be written to everywhere at once. Each era has a part of
      -- the index to itself, which stays in memory while it is written to; who looks for an id asks every era.
      create table projection_eras (
        era integer primary key,
        events bigint not null default 0
      ) with (fillfactor = 50);
      insert into projection_eras (era) values (0);

      -- One row per event, written once. No reference to the tables beside it: it would cost more than the row, and
      -- the log has both.
      create table projected_events (
        event_id bytea not null,
        partition_id integer not null,
        era integer not null,
        seq bigint not null,
        event_ms bigint not null,
        ingested_at timestamptz not null,
        flags bigint not null,
        -- Where its line stands among those of its segment.
        line_at integer not null,
        line_bytes integer not null,
        source_id text collate "C" not null,
        event_type text collate "C" not null,
        native_id text collate "C",
        revises bytea
      );
      create index projected_events_by_id on projected_events (era, (substr(event_id, 1, 8)));
      create index projected_events_by_source on projected_events (source_id, ingested_at);
      create index projected_events_by_type on projected_events (event_type, ingested_at);
      create index projected_events_by_time on projected_events (ingested_at);

      -- What has become of a packet's events since they were received. All of a packet advance together, so that
      -- nothing is written per event; a packet that is not here is where ingest left it.
      create table packet_states (
        partition_id integer not null,
        packet_no bigint not null,
        state text not null check (state in ('received', 'normalized', 'validated', 'certified', 'anchored', 'proven',
          'split')),
        -- When its last event came.
        ingested_at timestamptz not null,
        content_hash bytea check (octet_length(content_hash) = 32),
        version_id bytea check (octet_length(version_id) = 32),
        overlay_job_id text,
        processing_agents text[] not null default '{}',
        certification_evidence jsonb,
        overlay_distribution jsonb,
        last_error text,
        processed_at timestamptz,
        certified_at timestamptz,
        changed_at timestamptz not null,
        primary key (partition_id, packet_no),
        foreign key (partition_id, packet_no) references packets
      );
      create index packet_states_by_state on packet_states (state, ingested_at);
      create index packet_states_by_hash on packet_states (content_hash) where content_hash is not null;
      create index packets_by_sequence on packets (partition_id, first_seq) where count > 0;

      -- Null where the log keeps only digests of the lines.
      create function event_line(partition_id integer, seq bigint, line_at integer, line_bytes integer) returns text
        language sql stable as $$
          select convert_from(substring(segment.lines from $3 + 1 for $4), 'UTF8') from segments as segment
            where segment.partition_id = $1 and segment.first_seq <= $2 and segment.count > 0
            order by segment.first_seq desc limit 1
        $$;
      -- A text of the database cannot hold a zero character, which JSON can.
      create function event_payload(line text) returns json
        language sql immutable as $$ select replace($1, '\u0000', '\ufffd')::json -> 'payload' $$;

      create view placed_events as
        select event.*, opened.stream_id, opened.partition, packet.packet_no, packet.packet_id,
            coalesce(became.state, 'received') as state, became.content_hash, became.version_id,
            became.overlay_job_id, coalesce(became.processing_agents, '{}') as processing_agents,
            became.certification_evidence, became.overlay_distribution, became.last_error, became.processed_at,
            became.certified_at, became.changed_at
          from projected_events as event
          join partitions as opened on opened.id = event.partition_id
          left join lateral (
            select sealed.packet_no, sealed.packet_id, sealed.first_seq + sealed.count as end_seq
              from packets as sealed
              where sealed.partition_id = event.partition_id and sealed.first_seq <= event.seq and sealed.count > 0
              order by sealed.first_seq desc limit 1) as packet on packet.end_seq > event.seq
          left join packet_states as became
            on became.partition_id = event.partition_id and became.packet_no = packet.packet_no;

      create view overlay_events as
        select encode(event_id, 'hex') as event_id, source_id, native_id as external_id, event_type,
            event_payload(event_line(partition_id, seq, line_at, line_bytes))::jsonb as raw_data,
            null::jsonb as normalized_data,
            case when state in ('certified', 'anchored', 'proven') then 'certified' when state = 'validated' then 'valid'
              else 'pending' end as validation_status,
            null::jsonb as validation_issues,
            encode(content_hash, 'hex') as content_hash, encode(version_id, 'hex') as version_id,
            overlay_job_id, processing_agents, certification_evidence, overlay_distribution,
            ingested_at, processed_at, certified_at,
            to_timestamp(event_ms / 1000.0) as event_time, stream_id, partition, seq as sequence,
            encode(packet_id, 'hex') as packet_id, flags as quality_flags, encode(revises, 'hex') as revises, state
          from placed_events;

      create view ingest_events as
        select encode(event_id, 'hex') as event_id, source_id,
            event_payload(event_line(partition_id, seq, line_at, line_bytes))::text as raw_json,
            null::text as normalized_json,
            case when state in ('certified', 'anchored', 'proven') then 'certified'
              when state in ('normalized', 'validated') then 'normalized' when state = 'split' then 'failed'
              else 'received' end as status,
            last_error, encode(content_hash, 'hex') as content_hash, encode(version_id, 'hex') as version_id,
            certification_evidence::text as evidence_json,
            floor(extract(epoch from ingested_at))::bigint as created_at,
            floor(extract(epoch from coalesce(changed_at, ingested_at)))::bigint as updated_at
          from placed_events;

      -- Whose word an event rests on: its own source's, and the earlier event's that it revises.
      create view event_source_relations as
        select encode(event_id, 'hex') as event_id, source_id, 'observed' as relation,
            encode(event_id, 'hex') as observation_id, ingested_at as created_at
          from projected_events
        union all
        select encode(event_id, 'hex'), source_id, 'revises', encode(revises, 'hex'), ingested_at
          from projected_events where revises is not null;

      -- No work is handed out yet: these have their columns, and no rows.
      create view overlay_event_jobs as
        select null::text as job_id, null::text as event_id, null::text as job_type, null::text as assigned_agent,
          null::text as overlay_job_template_id, null::text as job_status, null::jsonb as input_data,
          null::jsonb as output_data, null::jsonb as error_details, null::jsonb as processing_evidence,
          null::integer as attempts, null::integer as max_attempts, null::timestamptz as next_run_at,
          null::timestamptz as started_at, null::timestamptz as completed_at, null::timestamptz as created_at,
          null::text as packet_id, null::text as job_txid, null::integer as job_vout, null::text as result_txid
        where false;
      create view ingest_jobs as
        select null::text as job_id, null::text as event_id, null::text as state, null::integer as attempts,
          null::bigint as next_run_at, null::text as last_error, null::text as evidence_json,
          null::bigint as created_at, null::bigint as updated_at
        where false;

      create table overlay_event_subscriptions (
        subscription_id text primary key,
        client_id text not null,
        subscription_type text not null check (subscription_type in ('sse', 'websocket', 'webhook', 'overlay')),
        filter_criteria jsonb not null default '{}',
        overlay_topics text[] not null default '{}',
        callback_url text,
        client_identity_key text,
        subscription_status text not null default 'active'
          check (subscription_status in ('active', 'paused', 'expired')),
        last_activity_at timestamptz not null default now(),
        expires_at timestamptz,
        created_at timestamptz not null default now()
      );
      create index overlay_subscriptions_by_client on overlay_event_subscriptions (client_id, subscription_status);
      create index overlay_subscriptions_by_expiry on overlay_event_subscriptions (subscription_status, expires_at);

      -- A row per interval and source, or agent; recorded_at is where the interval begins.
      create table overlay_event_metrics (
        id bigint generated always as identity primary key,
        metric_type text not null check (metric_type in ('ingestion', 'processing', 'certification', 'distribution')),
        source_id text,
        agent_id text,
        event_count integer not null,
        processing_time_ms integer,
        success_count integer not null default 0,
        error_count integer not null default 0,
        throughput_events_per_sec numeric,
        overlay_latency_ms integer,
        recorded_at timestamptz not null
      );
      create unique index overlay_metrics_by_type
        on overlay_event_metrics (metric_type, recorded_at, coalesce(source_id, ''), coalesce(agent_id, ''));
      create index overlay_metrics_by_source on overlay_event_metrics (source_id, recorded_at);
      create index overlay_metrics_by_agent on overlay_event_metrics (agent_id, recorded_at);
      -- Up to where the intervals of ingestion are counted.
      create table projection_intervals (
        is_one boolean primary key default true check (is_one),
        counted_ms bigint not null
      );
      insert into projection_intervals (counted_ms) values (0);
      create index quarantine_by_time on quarantine (received_ms);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index quarantine_by_time, packets_by_sequence;
      drop view ingest_jobs, overlay_event_jobs, event_source_relations, ingest_events, overlay_events, placed_events;
      drop function event_payload(text);
      drop function event_line(integer, bigint, integer, integer);
      drop table projection_intervals, overlay_event_metrics, overlay_event_subscriptions, packet_states,
        projected_events, projection_eras, projection_positions
    `)
  },
}
