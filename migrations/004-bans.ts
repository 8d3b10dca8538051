import type { Knex } from 'knex'

/** What an operator does not want to see in the answers of this node: whole hosts, or single outputs. */
export const bans = {
  name: '004-bans',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table bans (
        type text not null check (type in ('domain', 'outpoint')),
        -- A base URL as adverts spell it, without a slash at the end; or <txid>.<index>.
        value text not null,
        reason text,
        banned_ms bigint not null,
        primary key (type, value)
      )
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table bans')
  },
}
