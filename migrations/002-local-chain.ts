import type { Knex } from 'knex'

/** The private chain of network `local`: its blocks, its transactions, who spends what, and the faucet's purse. */
export const localChain = {
  name: '002-local-chain',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      CREATE TABLE chain_blocks (
        hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
        previous bytea NOT NULL CHECK (octet_length(previous) = 32),
        height integer NOT NULL CHECK (height >= 0),
        header bytea NOT NULL CHECK (octet_length(header) = 80),
        -- 32 bytes each, as explorers print them, the coinbase first: all that a Merkle path is computed from.
        txids bytea NOT NULL CHECK (octet_length(txids) > 0 AND octet_length(txids) % 32 = 0),
        best boolean NOT NULL
      );
      -- Two miners can never both extend the best chain.
      CREATE UNIQUE INDEX chain_blocks_best ON chain_blocks (height) WHERE best;

      CREATE SEQUENCE chain_arrivals;
      CREATE TABLE chain_transactions (
        txid bytea PRIMARY KEY CHECK (octet_length(txid) = 32),
        raw bytea NOT NULL,
        -- A parent's is smaller than its child's, so blocks filled in this order have parents first.
        arrival bigint NOT NULL DEFAULT nextval('chain_arrivals'),
        state text NOT NULL CHECK (state IN ('pooled', 'mined', 'rejected')),
        block_hash bytea REFERENCES chain_blocks (hash),
        -- Whose block or spend threw a rejected transaction out.
        rejected_for bytea,
        CHECK ((state = 'mined') = (block_hash IS NOT NULL))
      );
      CREATE INDEX chain_transactions_pooled ON chain_transactions (arrival) WHERE state = 'pooled';

      -- One row per coin that a pooled or mined transaction spends: the primary key is what refuses double spends.
      CREATE TABLE chain_spends (
        txid bytea NOT NULL,
        vout integer NOT NULL,
        spender bytea NOT NULL REFERENCES chain_transactions (txid),
        PRIMARY KEY (txid, vout)
      );
      CREATE INDEX chain_spends_spender ON chain_spends (spender);

      CREATE TABLE chain_faucet_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        private_key bytea NOT NULL CHECK (octet_length(private_key) = 32)
      );
      CREATE TABLE chain_faucet_coins (
        txid bytea NOT NULL REFERENCES chain_transactions (txid),
        vout integer NOT NULL,
        satoshis bigint NOT NULL CHECK (satoshis > 0),
        -- How many unmined faucet transactions in a row led to this coin when it was made.
        depth integer NOT NULL CHECK (depth >= 0),
        spender bytea,
        PRIMARY KEY (txid, vout)
      );
      CREATE INDEX chain_faucet_coins_unspent ON chain_faucet_coins (depth) WHERE spender IS NULL;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      DROP TABLE chain_faucet_coins, chain_faucet_key, chain_spends, chain_transactions, chain_blocks;
      DROP SEQUENCE chain_arrivals;
    `)
  },
}
