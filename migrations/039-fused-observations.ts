import type { Knex } from 'knex'

/** What fusion has decided about each observation, beside whose word an event rests on. */
export const fusedObservations = {
  name: '039-fused-observations',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Written before the certificate of the version, and read once its packet has that version: what is certified
      -- is certified under it for good.
      create table fused_observations (
        version_id bytea not null,
        -- Which of the version's fused records, and which observation of it.
        record integer not null,
        place integer not null,
        packet_id bytea not null,
        -- The event that the record's value is taken from; null where nothing was decided.
        chosen bytea,
        observation_id bytea not null,
        source_id text collate "C" not null,
        -- Why it was overruled; null where it was not.
        reason text,
        noted_ms bigint not null,
        primary key (version_id, record, place)
      );
      -- As the view has them, so that it can be asked.
      create index fused_observations_by_event on fused_observations (encode(chosen, 'hex')) where chosen is not null;
      create index fused_observations_by_observation on fused_observations (encode(observation_id, 'hex'));
      create index fused_observations_by_source on fused_observations (source_id, to_timestamp(noted_ms / 1000.0));

      -- Whose word an event rests on: its own source's, the earlier event's that it revises, and, where sources were
      -- fused, those that the value chosen from it rests on, and those that were overruled for it, with the reason.
      create or replace view event_source_relations as
        select encode(event_id, 'hex') as event_id, source_id, 'observed' as relation,
            encode(event_id, 'hex') as observation_id, ingested_at as created_at,
            null::text as reason, null::text as version_id
          from projected_events
        union all
        select encode(event_id, 'hex'), source_id, 'revises', encode(revises, 'hex'), ingested_at, null, null
          from projected_events where revises is not null
        union all
        select encode(fused.chosen, 'hex'), fused.source_id,
            case when fused.reason is null then 'fused' else 'overruled' end, encode(fused.observation_id, 'hex'),
            to_timestamp(fused.noted_ms / 1000.0), fused.reason, encode(fused.version_id, 'hex')
          from fused_observations as fused
          join packet_standings as standing
            on standing.packet_id = fused.packet_id and standing.version_id = fused.version_id;

      -- The view's rows of one event, and those in which it is an observation, by the index that events have by their id.
      create function event_source_relations_of(event text) returns setof event_source_relations
        language sql stable as $$
          select encode(found.event_id, 'hex'), found.source_id, said.relation,
              encode(case said.relation when 'observed' then found.event_id else found.revises end, 'hex'),
              found.ingested_at, null::text, null::text
            from projected_events as found
            cross join (values ('observed'), ('revises')) as said (relation)
            where found.era = any (array(select era from projection_eras))
              and substr(found.event_id, 1, 8) = substr(decode(event, 'hex'), 1, 8)
              and found.event_id = decode(event, 'hex')
              and (said.relation = 'observed' or found.revises is not null)
          union all
          select * from event_source_relations
            where relation in ('fused', 'overruled') and (event_id = event or observation_id = event)
        $$;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop function event_source_relations_of(text);
      drop view event_source_relations;
      create view event_source_relations as
        select encode(event_id, 'hex') as event_id, source_id, 'observed' as relation,
            encode(event_id, 'hex') as observation_id, ingested_at as created_at
          from projected_events
        union all
        select encode(event_id, 'hex'), source_id, 'revises', encode(revises, 'hex'), ingested_at
          from projected_events where revises is not null;
      drop table fused_observations
    `)
  },
}
