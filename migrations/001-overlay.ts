import type { Knex } from 'knex'

/**
 * What the overlay has admitted, and on what grounds. A txid stands as explorers print it, so that encode(txid, 'hex')
 * is what one searches for. Whether an output is spent is not its column: `coins` says it, once, for every topic.
 */
export const overlay = {
  name: '001-overlay',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table transactions (
        txid bytea primary key check (octet_length(txid) = 32),
        raw bytea not null,
        stored_ms bigint not null,
        -- A Merkle path for this transaction alone, and the root it leads to. All three or none.
        proof bytea,
        proof_height bigint,
        proof_root bytea,
        check (num_nonnulls(proof, proof_height, proof_root) in (0, 3))
      );
      create index transactions_unproven on transactions (stored_ms, txid) where proof is null;
      create index transactions_by_block on transactions (proof_height, proof_root) where proof is not null;

      -- Every output that a topic has admitted, and every one that a stored transaction spends: here two submissions
      -- meet that concern the same coin, whichever of them comes first. \`admissions\` counts the topics that ever
      -- admitted it. The key, and one spender a row, are what makes a double spend impossible.
      create table coins (
        txid bytea not null,
        vout bigint not null,
        admissions smallint not null,
        spender bytea references transactions (txid),
        primary key (txid, vout),
        check (admissions > 0 or spender is not null)
      );
      create index coins_by_spender on coins (spender) where spender is not null;

      create table outputs (
        txid bytea not null references transactions (txid),
        vout bigint not null,
        topic text not null,
        admitted_ms bigint not null,
        primary key (txid, vout, topic)
      );
      create index outputs_by_topic on outputs (topic, admitted_ms, txid, vout);

      -- What a topic answered to a transaction: indexes of outputs, and of inputs.
      create table applied (
        txid bytea not null references transactions (txid),
        topic text not null,
        admitted integer[] not null,
        retained integer[] not null,
        removed integer[] not null,
        applied_ms bigint not null,
        primary key (txid, topic)
      );

      create table off_chain_values (
        txid bytea not null references transactions (txid),
        topic text not null,
        bytes bytea not null,
        primary key (txid, topic)
      );

      -- What others still have to be told.
      create table outbox (
        id bigint generated always as identity primary key,
        txid bytea not null references transactions (txid),
        target text not null,
        topics text[] not null,
        attempts integer not null default 0,
        due_ms bigint not null,
        last_error text,
        unique (txid, target)
      );
      create index outbox_by_due on outbox (target, due_ms, id);

      -- Validly signed, and refused because its coins were spent before. Should the network mine it, ours goes.
      create table double_spends (
        txid bytea primary key,
        spender_key bytea not null,
        against bytea not null,
        beef bytea not null,
        topics text[] not null,
        seen_ms bigint not null
      );
      create index double_spends_by_key on double_spends (spender_key);

      create table evicted (
        txid bytea not null,
        raw bytea not null,
        reason text not null,
        evicted_ms bigint not null,
        primary key (txid, evicted_ms)
      );

      -- Goes up with every eviction. An admission that was judged on an older one is judged again.
      create table overlay_epoch (one boolean primary key default true check (one), epoch bigint not null);
      insert into overlay_epoch (epoch) values (0);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table overlay_epoch, evicted, double_spends, outbox, off_chain_values, applied, outputs,
        coins, transactions
    `)
  },
}
