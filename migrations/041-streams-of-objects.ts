import type { Knex } from 'knex'

/** Whose events an object of the node's own is made of: what was public for all at its hash is for who may read one of these. */
export const streamsOfObjects = {
  name: '041-streams-of-objects',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Streams may have equal bytes. Of none: it is for whom the row itself names.
      alter table uhrp_retentions add streams text[] not null default '{}';

      update uhrp_retentions as retention set streams = made.streams
        from (select packet.raw_hash as sha256, array_agg(distinct opened.stream_id) as streams
            from packets as packet join partitions as opened on opened.id = packet.partition_id
            group by 1) as made
        where retention.sha256 = made.sha256 and retention.holder = 'node packets';

      update uhrp_retentions as retention set streams = made.streams
        from (select version.content_hash as sha256, array_agg(distinct opened.stream_id) as streams
            from dlm_versions as version
              left join packets as packet on packet.packet_id = version.packet_id
              left join aggregates as aggregate on aggregate.aggregate_id = version.packet_id
              join partitions as opened on opened.id = coalesce(packet.partition_id, aggregate.partition_id)
            group by 1) as made
        where retention.sha256 = made.sha256 and retention.holder = 'node certified';

      update uhrp_retentions as retention set streams = made.streams
        -- Of what is certified, also where its certificate is still on its way.
        from (select decode(version.manifest::jsonb #>> '{provenance,assay,stateOut}', 'hex') as sha256,
              array_agg(distinct opened.stream_id) as streams
            from dlm_versions as version join packets as packet on packet.packet_id = version.packet_id
              join partitions as opened on opened.id = packet.partition_id
            group by 1) as made
        where retention.sha256 = made.sha256 and retention.holder = 'node states';
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('alter table uhrp_retentions drop column streams')
  },
}
