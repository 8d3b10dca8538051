import type { Knex } from 'knex'

/** Of jobs that may still be answered: agents are given what those are about, also where the others were quicker. */
export const owedAnswers = {
  name: '043-owed-answers',

  async up(knex: Knex): Promise<void> {
    await knex.raw('create index round_jobs_by_deadline on round_jobs (deadline_ms)')
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop index round_jobs_by_deadline')
  },
}
