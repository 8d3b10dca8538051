import type { Knex } from 'knex'

/** The tables of jobs that others know by their names, over the rounds, seats and results that jobs are. */
export const jobViews = {
  name: '025-job-views',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- From a packet to its events. Rows come in the order of each partition, so this stays a few pages.
      create index projected_events_by_place on projected_events using brin (partition_id, seq)
        with (autosummarize = on);

      drop view overlay_event_jobs, ingest_jobs;

      -- Whether a quorum has said so, or one node alone, beside what is said.
      create or replace view placed_events as
        select event.*, opened.stream_id, opened.partition, packet.packet_no, packet.packet_id,
            coalesce(became.state, 'received') as state, became.content_hash, became.version_id,
            became.overlay_job_id, coalesce(became.processing_agents, '{}') as processing_agents,
            became.certification_evidence, became.overlay_distribution, became.last_error, became.processed_at,
            became.certified_at, became.changed_at, became.orchestration
          from projected_events as event
          join partitions as opened on opened.id = event.partition_id
          left join lateral (
            select sealed.packet_no, sealed.packet_id, sealed.first_seq + sealed.count as end_seq
              from packets as sealed
              where sealed.partition_id = event.partition_id and sealed.first_seq <= event.seq and sealed.count > 0
              order by sealed.first_seq desc limit 1) as packet on packet.end_seq > event.seq
          left join packet_states as became
            on became.partition_id = event.partition_id and became.packet_no = packet.packet_no;

      create or replace view overlay_events as
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
            encode(packet_id, 'hex') as packet_id, flags as quality_flags, encode(revises, 'hex') as revises, state,
            orchestration
          from placed_events;

      -- A job is asked of an agent over a packet, and listed for each of its events: one row for event and seat.
      create view overlay_event_jobs as
        select encode(job.txid, 'hex') || '.' || seat.vout as job_id, encode(event.event_id, 'hex') as event_id,
            seat.stage as job_type, encode(seat.agent_key, 'hex') as assigned_agent,
            job.template || '.' || job.stage || '.' || job.level as overlay_job_template_id,
            seat.state as job_status,
            jsonb_build_object('roundId', encode(job.round_id, 'hex'), 'inputHash', encode(round.input_hash, 'hex'),
              'inputRoot', encode(job.input_root, 'hex'), 'member', member.index) as input_data,
            case when result.txid is null then null else
              jsonb_build_object('leaf', encode(outcome.leaf, 'hex'), 'outputHash', encode(outcome.output_hash, 'hex'),
                'status', result.status) end as output_data,
            case when seat.last_error is null and result.void_why is null then null else
              jsonb_build_object('error', coalesce(seat.last_error, result.void_why)) end as error_details,
            case when result.txid is null then '[]'::jsonb else
              jsonb_build_array(jsonb_build_object('step', seat.stage, 'agentId', encode(seat.agent_key, 'hex'),
                'timestamp', to_timestamp(result.arrived_ms / 1000.0), 'inputHash', encode(round.input_hash, 'hex'),
                'outputHash', encode(outcome.output_hash, 'hex'),
                'processingTime', result.arrived_ms - seat.offered_ms, 'brc31Signature', null,
                'overlayEvidence', jsonb_build_object('txid', encode(result.txid, 'hex'),
                  'operator', encode(seat.operator, 'hex'), 'status', result.status))) end as processing_evidence,
            seat.attempts, 3 as max_attempts, to_timestamp(seat.next_run_ms / 1000.0) as next_run_at,
            to_timestamp(seat.offered_ms / 1000.0) as started_at,
            to_timestamp(seat.completed_ms / 1000.0) as completed_at,
            to_timestamp(seat.made_ms / 1000.0) as created_at,
            encode(packet.packet_id, 'hex') as packet_id, encode(job.txid, 'hex') as job_txid, seat.vout as job_vout,
            encode(result.txid, 'hex') as result_txid
          from round_seats as seat
          join round_jobs as job on job.txid = seat.job_tx
          join rounds as round on round.round_id = job.round_id
          join round_members as member on member.round_id = job.round_id and member.index = any (job.members)
          join packets as packet on packet.packet_id = member.packet_id
          join projected_events as event on event.partition_id = packet.partition_id and event.seq >= packet.first_seq
            and event.seq < packet.first_seq + packet.count
          left join round_results as result on result.txid = seat.result_tx
          left join outcomes as outcome on outcome.result_tx = result.txid and outcome.member = member.index;

      -- One row for each event: the whole of its work.
      create view ingest_jobs as
        select encode(event.event_id, 'hex') as job_id, encode(event.event_id, 'hex') as event_id,
            case standing.status when 'open' then 'running' when 'rebuilding' then 'running'
              when 'certified' then 'done' when 'unanchored' then 'done' when 'abandoned' then 'done'
              when 'split' then 'dead' else case when standing.rounds > 0 then 'failed' else 'queued' end
              end as state,
            coalesce(standing.tries, 0) as attempts,
            case when standing.retry_ms > 0 then standing.retry_ms / 1000 end as next_run_at,
            letter.reason as last_error,
            case when standing.version_id is null then null else
              json_build_array(json_build_object('step', 'certify', 'provider', 'quorum',
                'versionId', encode(standing.version_id, 'hex'),
                'certificate', encode(standing.certificate, 'hex')))::text end as evidence_json,
            floor(extract(epoch from event.ingested_at))::bigint as created_at,
            coalesce(standing.changed_ms / 1000, floor(extract(epoch from event.ingested_at))::bigint) as updated_at
          from placed_events as event
          left join packet_standings as standing
            on standing.partition_id = event.partition_id and standing.packet_no = event.packet_no
          left join dead_letters as letter on letter.packet_id = standing.packet_id and letter.state = 'dead';
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop view ingest_jobs, overlay_event_jobs, overlay_events, ingest_events, placed_events;
      drop index projected_events_by_place;
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
    `)
  },
}
