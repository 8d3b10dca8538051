import type { Knex } from 'knex'

/** What is proven by a block that was replaced is looked for time and again: there are few of these among all blocks. */
export const replacedBlocks = {
  name: '048-replaced-blocks',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create index chain_blocks_replaced on chain_blocks (height) where not best;
      create index headers_replaced on headers (height) where not best;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop index chain_blocks_replaced, headers_replaced')
  },
}
