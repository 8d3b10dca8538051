import type { Knex } from 'knex'

/** What sources sign with, what became of the registry, and the seeds' names for its table. */
export const sourceSecrets = {
  name: '015-source-secrets',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table source_secrets (
        source_id text not null references overlay_event_sources,
        -- From 1; a number is never given twice.
        number integer not null check (number > 0),
        -- With the master key; gone once it is revoked.
        sealed bytea,
        -- Tells a secret that comes again, also one that was revoked; made with the master key.
        fingerprint bytea not null,
        created_ms bigint not null,
        -- Set once another takes over.
        until_ms bigint,
        revoked_ms bigint,
        primary key (source_id, number),
        unique (source_id, fingerprint),
        check ((sealed is null) = (revoked_ms is not null))
      );

      -- Streams whose policy follows the settings and their sources, because nobody has given them one.
      create table default_policies (
        stream_id text primary key references streams,
        -- What those settings said.
        settings text not null
      );

      -- What settings said of a source when they were last followed; made with the master key, as it holds a secret.
      create table sources_from_settings (
        source_id text primary key references overlay_event_sources,
        fingerprint bytea not null
      );

      create table registry_changes (
        id bigint generated always as identity primary key,
        at_ms bigint not null,
        who text not null,
        kind text not null check (kind in ('source', 'stream', 'secret')),
        subject text not null,
        what text not null check (what in ('created', 'changed', 'added', 'ends', 'revoked')),
        was jsonb,
        became jsonb
      );
      create index registry_changes_of on registry_changes (kind, subject, id);

      create view sources as
        select source_id, name, source_type, identity_key, tenant_id, enabled, trust_weight, trust_score,
          trust_score / 100.0::double precision as reputation, last_activity_at, created_at, updated_at
        from overlay_event_sources;

      create view ingest_sources as
        select source_id, name, (mapping_policy || validation_rules)::text as mapping_json,
          case when enabled then 1 else 0 end as enabled,
          floor(extract(epoch from created_at))::bigint as created_at,
          floor(extract(epoch from updated_at))::bigint as updated_at
        from overlay_event_sources;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop view ingest_sources, sources;
      drop table registry_changes, sources_from_settings, default_policies, source_secrets
    `)
  },
}
