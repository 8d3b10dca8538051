import type { Knex } from 'knex'

/** DLM1 versions that we know, the certificates that carry ours, windows and rollups, and what others say beside them. */
export const certificates = {
  name: '022-certificates',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- quorum, or local: processed by this node alone, which is nobody's consensus and never beyond validated.
      alter table packet_states add column orchestration text not null default 'quorum'
        check (orchestration in ('quorum', 'local'));
      alter table packet_states add constraint packet_states_local_bound
        check (orchestration = 'quorum' or state in ('received', 'normalized', 'validated'));

      -- {windowMs, rollupEvery?}: what is said over its packets once they are certified.
      alter table streams add column aggregate jsonb;

      -- Manifests by their version. certified: a quorum's, and a certificate carries it. declared: somebody said so (D01).
      create table dlm_versions (
        version_id bytea primary key check (octet_length(version_id) = 32),
        standing text not null check (standing in ('certified', 'declared')),
        -- Canonical where it is ours; as it was sent where it is not.
        manifest text not null,
        dataset_id text not null,
        content_hash bytea not null check (octet_length(content_hash) = 32),
        producer_key bytea check (octet_length(producer_key) = 33),
        packet_id bytea check (octet_length(packet_id) = 32),
        created_at text not null,
        known_ms bigint not null
      );
      create index dlm_versions_by_dataset on dlm_versions (dataset_id, known_ms, version_id);
      create index dlm_versions_by_content on dlm_versions (content_hash);
      create index dlm_versions_by_packet on dlm_versions (packet_id) where packet_id is not null;

      create table dlm_parents (
        version_id bytea not null references dlm_versions,
        place integer not null,
        parent bytea not null check (octet_length(parent) = 32),
        primary key (version_id, place)
      );
      create index dlm_parents_by_parent on dlm_parents (parent);

      -- What was submitted as JSON (D01, D02). One transaction says one version.
      create table declarations (
        txid bytea primary key check (octet_length(txid) = 32),
        version_id bytea references dlm_versions,
        kind text not null check (kind in ('DLM1', 'TRN1', 'UNKNOWN')),
        vout integer,
        raw bytea not null,
        status text not null check (status in ('pending', 'proven')),
        block_hash bytea,
        height bigint,
        -- The SPV envelope that came with it, once it was checked against our headers.
        envelope jsonb,
        declared_by bytea,
        declared_ms bigint not null
      );
      create index declarations_by_version on declarations (version_id) where version_id is not null;

      -- One member of one certificate of ours, dead ones too.
      create table certificates (
        txid bytea not null check (octet_length(txid) = 32),
        vout integer not null,
        round_id bytea not null references rounds,
        index integer not null,
        template text not null,
        level text not null,
        -- Of an aggregate: its id.
        packet_id bytea not null check (octet_length(packet_id) = 32),
        version_id bytea not null references dlm_versions,
        -- written: signed and stored. anchored: the network has it. proven: a block has it. dead: never sent again.
        -- revoked: spent by us, as another one stands for the packet.
        state text not null check (state in ('written', 'anchored', 'proven', 'dead', 'revoked')),
        -- Null until known.
        block_height bigint,
        block_hash bytea check (octet_length(block_hash) = 32),
        written_ms bigint not null,
        anchored_ms bigint,
        proven_ms bigint,
        dead_ms bigint,
        dead_why text,
        revoked_by bytea check (octet_length(revoked_by) = 32),
        primary key (txid, index),
        check ((state = 'proven') <= (block_height is not null)),
        check ((state = 'revoked') = (revoked_by is not null))
      ) with (fillfactor = 70);
      -- Never two that count.
      create unique index certificates_one_alive on certificates (packet_id) where state in ('anchored', 'proven');
      create index certificates_by_packet on certificates (packet_id, written_ms);
      create index certificates_by_version on certificates (version_id);
      create index certificates_by_round on certificates (round_id);
      create index certificates_unsettled on certificates (txid) where state = 'anchored';
      create index certificates_written on certificates (written_ms, txid) where state = 'written';
      create index certificates_by_block on certificates (block_height) where state = 'proven';
      create index certificates_dead on certificates (txid) where state = 'dead';

      -- A statement over packets that are certified already.
      create table aggregates (
        aggregate_id bytea primary key check (octet_length(aggregate_id) = 32),
        kind text not null check (kind in ('window', 'rollup')),
        partition_id integer not null references partitions,
        first_packet bigint not null,
        last_packet bigint not null,
        -- Of event time; what a window covers, and a rollup from its first to its last.
        from_ms bigint not null,
        to_ms bigint not null,
        -- As it was when the job was made: versionIds in the order of packets, and packet numbers without one.
        parents bytea[] not null,
        gaps bigint[] not null,
        -- Canonical, to the byte: what agents are given in the place of a round document.
        document text not null,
        roster_digest bytea not null check (octet_length(roster_digest) = 32),
        -- Rounds that were to decide it.
        rounds integer not null default 0,
        tries integer not null default 0,
        -- Since one of its certificates was last in a block.
        rebuilds integer not null default 0,
        -- Not before this time, after it has left a round.
        retry_ms bigint not null default 0,
        round_id bytea references rounds,
        -- Set by the first certificate, and never changed.
        version_id bytea references dlm_versions,
        state text not null check (state in ('due', 'open', 'certified', 'split')),
        made_ms bigint not null,
        unique (partition_id, kind, first_packet, last_packet)
      );
      create index aggregates_due on aggregates (made_ms) where state = 'due';
      -- Up to where the windows of a partition are cut, and its rollups.
      create table aggregate_positions (
        partition_id integer not null references partitions,
        kind text not null check (kind in ('window', 'rollup')),
        next_packet bigint not null default 0,
        next_ms bigint,
        primary key (partition_id, kind)
      );

      -- What a certifier outside says (CERTIFIER_WEBHOOK_URL): beside the verdict, and never counted in it.
      create table external_verdicts (
        packet_id bytea not null,
        event_id bytea not null check (octet_length(event_id) = 32),
        url text not null,
        -- due: also after a try that brought nothing. dead: it was tried often enough.
        state text not null default 'due' check (state in ('due', 'answered', 'dead')),
        attempts integer not null default 0,
        next_run_ms bigint not null,
        http_status integer,
        -- As it was answered; whether it names a version that we know is said beside it.
        version_id text,
        is_known_version boolean,
        response jsonb,
        last_error text,
        answered_ms bigint,
        primary key (event_id, url)
      );
      create index external_verdicts_by_packet on external_verdicts (packet_id);
      -- Packets whose events a certifier outside is to be asked about: from when they are validated until it has
      -- answered, or was asked often enough, about each.
      create table external_packets (
        packet_id bytea primary key check (octet_length(packet_id) = 32),
        -- The output that a node made without agents, kept by its hash; null where it is the one that a quorum agreed on.
        output bytea check (octet_length(output) = 32),
        attempts integer not null default 0,
        next_run_ms bigint not null
      ) with (fillfactor = 70);
      create index external_packets_due on external_packets (next_run_ms);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table external_packets, external_verdicts, aggregate_positions, aggregates, certificates, declarations, dlm_parents, dlm_versions;
      alter table streams drop column aggregate;
      alter table packet_states drop column orchestration
    `)
  },
}
