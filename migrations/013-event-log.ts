import type { Knex } from 'knex'

/** Sources and streams, the log of their events, and what tells repetitions. */
export const eventLog = {
  name: '013-event-log',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Every policy set that was ever in force, in its canonical form: packets name it by its digest.
      create table policy_sets (
        digest bytea primary key check (octet_length(digest) = 32),
        policy text not null,
        created_ms bigint not null
      );

      create table streams (
        stream_id text primary key,
        audience text not null check (audience in ('public', 'restricted')),
        level text not null check (level in ('basic', 'enhanced', 'critical')),
        shards_by text not null check (shards_by in ('key', 'event-id')),
        shards_count integer not null check (shards_count between 1 and 65536),
        domain text not null,
        partition_key text,
        policy_digest bytea not null references policy_sets,
        -- Counts up with each change of policy.
        policy_no integer not null default 1,
        operators text[] not null default '{}',
        topics text[] not null default '{}',
        tenant_id text,
        open_tags text[] not null default '{}',
        lateness_ms bigint not null,
        published boolean not null default true,
        limits jsonb not null default '{}',
        readers text[] not null default '{}',
        -- Of restricted streams: sealed with the master key.
        blind_key bytea,
        created_ms bigint not null,
        updated_ms bigint not null,
        check ((audience = 'restricted') = (blind_key is not null))
      );

      create table overlay_event_sources (
        source_id text primary key,
        name text not null,
        source_type text not null check (source_type in ('webhook', 'poll', 'mqtt', 'amqp', 'kafka', 'overlay')),
        -- What the columns beside it do not say of a source.
        configuration jsonb not null default '{}',
        mapping_policy jsonb not null default '{}',
        validation_rules jsonb not null default '{}',
        overlay_topics text[] not null default '{}',
        ship_advertisement_id text,
        identity_key text,
        enabled boolean not null default true,
        trust_score integer not null default 50 check (trust_score between 0 and 100),
        trust_weight double precision not null default 1 check (trust_weight >= 0),
        tenant_id text,
        last_activity_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      );

      -- The first entry of a partition: what never changes in it. The number is the partition's in its stream.
      create table partitions (
        id integer generated always as identity primary key,
        stream_id text not null references streams,
        partition integer not null check (partition between 0 and 65535),
        log bytea not null check (octet_length(log) = 33),
        network text not null,
        level text not null,
        audience text not null,
        shards_by text not null,
        shards_index integer not null,
        shards_count integer not null,
        opened_ms bigint not null,
        unique (stream_id, partition),
        unique (stream_id, level, shards_by, shards_count, shards_index)
      );

      -- One durable append to one partition: what it counted, and the lines of what it took. Appends are numbered
      -- from 0 without gaps. quarantined is less than 0 where events left quarantine.
      create table segments (
        partition_id integer not null references partitions,
        append_no bigint not null,
        first_seq bigint not null,
        count integer not null check (count >= 0),
        received integer not null,
        duplicate integer not null,
        rejected integer not null,
        quarantined integer not null,
        waived integer not null,
        policy_digest bytea,
        constants text,
        sources text,
        first_event_ms bigint,
        last_event_ms bigint,
        appended_ms bigint not null,
        lines bytea,
        primary key (partition_id, append_no),
        check (received = count + duplicate + rejected + quarantined + waived),
        check (count = 0 or (policy_digest is not null and constants is not null and sources is not null
          and first_event_ms is not null and last_event_ms is not null))
      );
      alter table segments alter column lines set storage external;
      create unique index segments_by_sequence on segments (partition_id, first_seq) where count > 0;

      create table seal_marks (
        partition_id integer not null references partitions,
        packet_no bigint not null,
        up_to_seq bigint not null,
        up_to_append bigint not null,
        watermark_ms bigint not null,
        policy_digest bytea not null,
        roster_digest bytea not null check (octet_length(roster_digest) = 32),
        received bigint not null,
        duplicate bigint not null,
        rejected bigint not null,
        quarantined bigint not null,
        waived bigint not null,
        -- What had it made: time, size, watermark, policy, window, or stop.
        because text not null,
        marked_ms bigint not null,
        primary key (partition_id, packet_no)
      );

      create table packets (
        partition_id integer not null,
        packet_no bigint not null,
        packet_id bytea not null unique check (octet_length(packet_id) = 32),
        -- In its canonical form, to the byte.
        header text not null,
        first_seq bigint not null,
        count integer not null,
        bytes integer not null,
        raw_hash bytea not null,
        sealed_ms bigint not null,
        primary key (partition_id, packet_no),
        foreign key (partition_id, packet_no) references seal_marks
      );

      -- Where a partition ends, and what an append has to know; all of it follows from the log.
      create table partition_heads (
        partition_id integer primary key references partitions,
        next_seq bigint not null default 0,
        next_append bigint not null default 0,
        received bigint not null default 0,
        duplicate bigint not null default 0,
        rejected bigint not null default 0,
        quarantined bigint not null default 0,
        waived bigint not null default 0,
        -- Greatest event time that counts for the watermark; null before the first event.
        event_ms_max bigint,
        last_appended_ms bigint,
        last_event_id bytea,
        -- Of the last seal mark.
        next_packet bigint not null default 0,
        sealed_seq bigint not null default 0,
        watermark_ms bigint not null default 0,
        -- Of what came since.
        unsealed_bytes bigint not null default 0,
        -- At least as many as it has sources.
        unsealed_sources integer not null default 0,
        unsealed_since_ms bigint,
        policy_digest bytea,
        policy_no integer not null default 0,
        constants text,
        -- Who seals it: a node keeps it until its time is up, and what it writes names the token.
        sealer text,
        sealer_token bigint not null default 0,
        sealer_until_ms bigint not null default 0
      ) with (fillfactor = 50);

      -- Events told apart by their eventId. What they are ordered by is inside the id, so a repetition has the same:
      -- the event's time, or its source's sequence. What comes in order stays together, and in memory.
      create table event_ids (
        ordering bigint not null,
        event_id bytea not null,
        primary key (ordering, event_id)
      );

      -- Events told apart by an id of their source's.
      create table native_ids (
        source_id text collate "C" not null,
        native_id bytea not null,
        latest_digest bytea not null,
        latest_event_id bytea not null,
        latest_ms bigint not null,
        first_ms bigint not null,
        -- Other payloads, oldest arrival first: [[digest, eventId, ms], …].
        earlier jsonb,
        forgotten boolean not null default false,
        primary key (source_id, native_id)
      ) with (fillfactor = 90);
      -- What is swept came first long ago, and stands where the table began.
      create index native_ids_by_arrival on native_ids using brin (first_ms) with (autosummarize = on);

      create table quarantine (
        id bigint generated always as identity primary key,
        partition_id integer not null references partitions,
        stream_id text not null,
        source_id text not null,
        tenant_id text,
        reason text not null,
        detail text not null,
        -- What was sent, as it was understood.
        held text not null,
        fingerprint bytea,
        native_id text,
        authenticated text not null,
        received_ms bigint not null,
        state text not null default 'held' check (state in ('held', 'released', 'waived')),
        decided_ms bigint,
        -- Where its release put it.
        event_id bytea
      );
      create unique index quarantine_held_once on quarantine (source_id, fingerprint) where state = 'held';
      create index quarantine_by_state on quarantine (state, id);
      create index quarantine_by_source on quarantine (source_id, id);
      create index quarantine_by_stream on quarantine (stream_id, id);
      create table quarantine_steps (
        quarantine_id bigint not null references quarantine,
        at_ms bigint not null,
        action text not null check (action in ('held', 'edited', 'released', 'waived', 'refused')),
        who text not null,
        detail text not null,
        id bigint generated always as identity primary key
      );
      create index quarantine_steps_of on quarantine_steps (quarantine_id, id);

      create table idempotency_keys (
        scope text not null,
        key text not null,
        body_hash bytea not null,
        answer text,
        created_ms bigint not null,
        primary key (scope, key)
      );
      create index idempotency_keys_by_age on idempotency_keys (created_ms);

      -- What was accepted in a window of time; limits are counted here by all nodes together.
      create table meters (
        scope text not null,
        window_ms bigint not null,
        starts_ms bigint not null,
        requests bigint not null,
        events bigint not null,
        bytes bigint not null,
        primary key (scope, window_ms, starts_ms)
      );
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table meters, idempotency_keys, quarantine_steps, quarantine, native_ids, event_ids, partition_heads,
        packets, seal_marks, segments, partitions, overlay_event_sources, streams, policy_sets
    `)
  },
}
