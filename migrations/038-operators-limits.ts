import type { Knex } from 'knex'

/** The limits that an operator has given last, also where they were those in force: the record of changes does not say. */
export const operatorsLimits = {
  name: '038-operators-limits',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table overlay_event_sources add limits_by_operator jsonb not null default '{}';
      alter table streams add limits_by_operator jsonb not null default '{}';
      create function assay_limits_by_operator (its_kind text, its_subject text) returns jsonb
        language sql stable as $$
          select coalesce(became -> 'limits', '{}') from registry_changes
            where kind = its_kind and subject = its_subject and who !~ '^0[23][0-9a-f]{64}$'
              and became -> 'limits' is distinct from was -> 'limits'
            order by id desc limit 1 $$;
      update overlay_event_sources set limits_by_operator = assay_limits_by_operator('source', source_id)
        where assay_limits_by_operator('source', source_id) is not null;
      update streams set limits_by_operator = assay_limits_by_operator('stream', stream_id)
        where assay_limits_by_operator('stream', stream_id) is not null;
      drop function assay_limits_by_operator;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table streams drop column limits_by_operator;
      alter table overlay_event_sources drop column limits_by_operator;
    `)
  },
}
