import type { Knex } from 'knex'

/** Which other hosts have said that they admitted a certificate, and how many there are with this one. */
export const certificateHosts = {
  name: '040-certificate-hosts',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- By the address that it was told at: what its STEAK said, once it had admitted a certificate.
      create table certificate_hosts (
        txid bytea not null references transactions on delete cascade,
        host text not null,
        heard_ms bigint not null,
        primary key (txid, host)
      );

      -- Hosts whose acceptance is on record, our own with them; null where there is no certificate.
      create function certificate_host_count (certificate bytea) returns integer
        language sql stable as $$
          select case when certificate is not null then
            (select count(*) from certificate_hosts where txid = certificate)::int
            + (select count(*) from applied where txid = certificate and topic = 'tm_gitdata_events_certified'
                and cardinality(admitted) > 0)::int end $$;

      -- Counted now: hosts answer long after the network has.
      create or replace view overlay_events as
        select encode(event_id, 'hex') as event_id, source_id, native_id as external_id, event_type,
            event_payload(event_line(partition_id, seq, line_at, line_bytes))::jsonb as raw_data,
            null::jsonb as normalized_data,
            case when state in ('certified', 'anchored', 'proven') then 'certified' when state = 'validated' then 'valid'
              else 'pending' end as validation_status,
            null::jsonb as validation_issues,
            encode(content_hash, 'hex') as content_hash, encode(version_id, 'hex') as version_id,
            overlay_job_id, processing_agents, certification_evidence,
            overlay_distribution || jsonb_build_object('consensusNodes',
              certificate_host_count(decode(certification_evidence ->> 'txid', 'hex'))) as overlay_distribution,
            ingested_at, processed_at, certified_at,
            to_timestamp(event_ms / 1000.0) as event_time, stream_id, partition, seq as sequence,
            encode(packet_id, 'hex') as packet_id, flags as quality_flags, encode(revises, 'hex') as revises, state,
            orchestration
          from placed_events;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
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
      drop function certificate_host_count;
      drop table certificate_hosts;
    `)
  },
}
