import type { Knex } from 'knex'

/** What is proven by a block that was replaced is looked for time and again, and there are few of these. */
export const replacedBlocks = {
  name: '048-replaced-blocks',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create index chain_blocks_replaced on chain_blocks (hash) where not best;
      create index headers_replaced on headers (hash) where not best;
      create index certificates_by_block_hash on certificates (block_hash) where state = 'proven' and block_hash is not null;
      -- Of a node that keeps no headers.
      create index certificates_by_height_alone on certificates (block_height) where state = 'proven' and block_hash is null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index chain_blocks_replaced, headers_replaced, certificates_by_block_hash, certificates_by_height_alone
    `)
  },
}
