import type { Knex } from 'knex'

/** What sources, streams and secrets were read under: as long as it stays, they are what they were. */
export const registryEpoch = {
  name: '042-registry-epoch',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Goes up with every change of what nodes keep of the registry, also where somebody makes it by hand.
      create table registry_epoch (one boolean primary key default true check (one), epoch bigint not null);
      insert into registry_epoch (epoch) values (0);

      create function assay_raise_registry_epoch() returns trigger language plpgsql as $$
        begin
          update registry_epoch set epoch = epoch + 1;
          return null;
        end $$;

      -- Before the rows: of two that change several of them, the second waits here, and neither for the other.
      create trigger registry_epoch before insert or delete or truncate or update
        -- What a source is made of, and not when it was last heard of, which is written all the time.
        of source_id, name, source_type, configuration, overlay_topics, identity_key, enabled, trust_score,
          trust_weight, tenant_id
        on overlay_event_sources for each statement execute function assay_raise_registry_epoch();
    `)
    for (const table of ['streams', 'default_policies', 'source_secrets'])
      await knex.raw(`create trigger registry_epoch before insert or update or delete or truncate on ${table}
        for each statement execute function assay_raise_registry_epoch()`)
  },

  async down(knex: Knex): Promise<void> {
    for (const table of ['overlay_event_sources', 'streams', 'default_policies', 'source_secrets'])
      await knex.raw(`drop trigger registry_epoch on ${table}`)
    await knex.raw(`
      drop function assay_raise_registry_epoch;
      drop table registry_epoch
    `)
  },
}
