import type { Migration } from '../../../migrations/index.ts'

export const things: Migration = {
  name: '001-things',
  async up(knex) {
    await knex.schema.createTable('things', table => {
      table.increments()
    })
  },
  down: async knex => {
    await knex.schema.dropTable('things')
  },
}

export const colors: Migration = {
  name: '002-colors',
  async up(knex) {
    await knex.raw('alter table things add color text')
    await knex('things').insert({ color: 'blue' })
  },
  down: async knex => {
    await knex.raw('alter table things drop color')
  },
}

/** The second does its work, says so, and ends only with `until`. */
export function slowMigrations(said: () => void, until: Promise<void>): Migration[] {
  const slow: Migration = {
    ...colors,
    async up(knex) {
      await colors.up(knex)
      said()
      await until
    },
  }
  return [things, slow]
}
