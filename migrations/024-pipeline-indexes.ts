import type { Knex } from 'knex'

/** What ls_gitdata_jobs and ls_gitdata_certificates look things up in; filled again by a reindex without loss. */
export const pipelineIndexes = {
  name: '024-pipeline-indexes',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Every seat, thread and result that a stage's topic has admitted. Written with the admission, so who waits for
      -- results reads them here.
      create table gitdata_jobs (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        kind text not null check (kind in ('seat', 'thread', 'result')),
        coordinator bytea not null check (octet_length(coordinator) = 33),
        round_id bytea not null check (octet_length(round_id) = 32),
        template text not null,
        stage text not null,
        level text not null,
        members integer[] not null,
        input_hash bytea not null check (octet_length(input_hash) = 32),
        deadline_ms bigint not null,
        -- Null on a thread.
        agent_key bytea check (octet_length(agent_key) = 33),
        -- Of a seat; a result's is that of its seat.
        operator bytea check (octet_length(operator) = 33),
        -- Of a result.
        job_tx bytea check (octet_length(job_tx) = 32),
        job_vout bigint,
        status text,
        leaves bytea,
        work_hash bytea,
        evidence_hash bytea,
        spent_by bytea check (octet_length(spent_by) = 32),
        admitted_ms bigint not null,
        primary key (txid, vout),
        check ((kind = 'result') = (job_tx is not null)),
        check ((kind = 'thread') = (agent_key is null))
      );
      create index gitdata_jobs_by_time on gitdata_jobs (admitted_ms, txid, vout);
      create index gitdata_jobs_by_round on gitdata_jobs (round_id, admitted_ms, txid, vout);
      create index gitdata_jobs_by_agent on gitdata_jobs (agent_key, admitted_ms, txid, vout)
        where agent_key is not null;
      create index gitdata_jobs_by_operator on gitdata_jobs (operator, admitted_ms, txid, vout)
        where operator is not null;
      create index gitdata_jobs_by_job on gitdata_jobs (job_tx, job_vout) where job_tx is not null;
      create index gitdata_jobs_by_coordinator on gitdata_jobs (coordinator, admitted_ms, txid, vout);

      create table gitdata_certificates (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        coordinator bytea not null check (octet_length(coordinator) = 33),
        round_id bytea not null check (octet_length(round_id) = 32),
        index integer not null,
        template text not null,
        level text not null,
        packet_id bytea not null check (octet_length(packet_id) = 32),
        version_id bytea not null check (octet_length(version_id) = 32),
        supersedes bytea check (octet_length(supersedes) = 32),
        -- From the manifest, where one came along that hashes to the version; else null.
        stream_id text,
        partition integer,
        packet_no bigint,
        content_hash bytea check (octet_length(content_hash) = 32),
        spent_by bytea check (octet_length(spent_by) = 32),
        admitted_ms bigint not null,
        primary key (txid, vout)
      );
      create index gitdata_certificates_by_time on gitdata_certificates (admitted_ms, txid, vout);
      create index gitdata_certificates_by_round on gitdata_certificates (round_id, admitted_ms, txid, vout);
      create index gitdata_certificates_by_packet on gitdata_certificates (packet_id, admitted_ms, txid, vout);
      create index gitdata_certificates_by_version on gitdata_certificates (version_id, admitted_ms, txid, vout);
      create index gitdata_certificates_by_coordinator on gitdata_certificates (coordinator, admitted_ms, txid, vout);
      -- Two packets of one number in it are fork evidence.
      create index gitdata_certificates_by_stream
        on gitdata_certificates (coordinator, stream_id, partition, packet_no, admitted_ms, txid, vout)
        where stream_id is not null;
      create index gitdata_certificates_of_stream on gitdata_certificates (stream_id, admitted_ms, txid, vout)
        where stream_id is not null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table gitdata_certificates, gitdata_jobs')
  },
}
