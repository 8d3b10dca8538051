import type { Knex } from 'knex'

/** Indexes for what strangers may ask, so that no question reads a whole table. */
export const boundedQuestions = {
  name: '029-bounded-questions',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- What ls_gitdata_certificates and ls_gitdata_jobs are asked by alone.
      create index gitdata_certificates_by_content on gitdata_certificates (content_hash, admitted_ms, txid, vout)
        where content_hash is not null;
      create index gitdata_certificates_by_superseded on gitdata_certificates (supersedes, admitted_ms, txid, vout)
        where supersedes is not null;
      -- Adverts that were paid for in a day.
      create index sponsored_adverts_by_time on sponsored_adverts (paid_ms);
      -- What is stored for the seats of one coordinator.
      create index uhrp_retentions_of_seats on uhrp_retentions (readers) where holder like 'seat %';
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(
      'drop index uhrp_retentions_of_seats, sponsored_adverts_by_time, gitdata_certificates_by_superseded, gitdata_certificates_by_content',
    )
  },
}
