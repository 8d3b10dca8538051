import type { Knex } from 'knex'

/** Whether an operator has switched it off, also where its publisher had done so before: the record of changes does not say. */
export const operatorsSwitch = {
  name: '036-operators-switch',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table overlay_event_sources add off_by_operator boolean not null default false;
      alter table streams add off_by_operator boolean not null default false;
      create function assay_off_by_operator (its_kind text, its_subject text, switch text) returns boolean
        language sql stable as $$
          select who !~ '^0[23][0-9a-f]{64}$' and became -> switch = 'false' from registry_changes
            where kind = its_kind and subject = its_subject and became -> switch is distinct from was -> switch
            order by id desc limit 1 $$;
      update overlay_event_sources set off_by_operator = true
        where not enabled and assay_off_by_operator('source', source_id, 'enabled');
      update streams set off_by_operator = true
        where not published and assay_off_by_operator('stream', stream_id, 'published');
      drop function assay_off_by_operator;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table streams drop column off_by_operator;
      alter table overlay_event_sources drop column off_by_operator;
    `)
  },
}
