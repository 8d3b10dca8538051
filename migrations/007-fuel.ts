import type { Knex } from 'knex'

/** What pays for transactions, and the transactions that it pays for. */
export const fuel = {
  name: '007-fuel',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Of our own, and those from outside that coins came with. \`stored\`: signed, to be sent; \`seen\`: the network has
      -- it; \`dead\`: the network will not have it, and it is never sent again.
      create table fuel_transactions (
        txid bytea primary key check (octet_length(txid) = 32),
        raw bytea not null,
        state text not null check (state in ('stored', 'seen', 'mined', 'dead')),
        -- What it is for; nothing where it came from outside.
        subject bytea check (octet_length(subject) = 32),
        stage text,
        rebuild integer,
        topics text[] not null,
        off_chain_values bytea,
        -- What it took out of our coins and did not give back.
        cost bigint not null,
        written_ms bigint not null,
        due_ms bigint not null,
        attempts integer not null default 0,
        last_error text,
        proof bytea,
        proof_height bigint,
        proof_root bytea,
        unique (subject, stage, rebuild),
        check (num_nonnulls(subject, stage, rebuild) in (0, 3)),
        check (num_nonnulls(proof, proof_height, proof_root) = case state when 'mined' then 3 else 0 end)
      );
      create index fuel_transactions_due on fuel_transactions (due_ms) where state = 'stored';
      create index fuel_transactions_unproven on fuel_transactions (written_ms, txid) where proof is null;
      create index fuel_transactions_by_block on fuel_transactions (proof_height, proof_root) where proof is not null;

      -- Every output of these that the fuel key opens. It pays for something once a block holds it, and as long as one
      -- does; \`spent_by\`, one a row, is what keeps it from paying twice.
      create table fuel_coins (
        txid bytea not null references fuel_transactions (txid),
        vout bigint not null,
        owner bytea not null check (octet_length(owner) = 33),
        satoshis bigint not null check (satoshis > 0),
        kind text not null check (kind in ('treasury', 'fuel', 'change')),
        mined_height bigint,
        -- Kept for a while for the other transactions of one subject: they cost less with one parent.
        claimed_for bytea,
        claimed_ms bigint,
        spent_by bytea references fuel_transactions (txid),
        primary key (txid, vout),
        check (num_nonnulls(claimed_for, claimed_ms) in (0, 2))
      );
      create index fuel_coins_free on fuel_coins (kind, txid, vout)
        where spent_by is null and mined_height is not null and claimed_for is null;
      create index fuel_coins_claimed on fuel_coins (claimed_for) where spent_by is null and claimed_for is not null;
      create index fuel_coins_coming on fuel_coins (txid) where spent_by is null and mined_height is null;
      create index fuel_coins_by_spender on fuel_coins (spent_by) where spent_by is not null;

      -- What each day (UTC, since the epoch) has cost so far.
      create table fuel_days (day bigint primary key, satoshis bigint not null);

      -- A refill begins when the pool is low, takes several blocks, and ends when it is full.
      create table fuel_refill (one boolean primary key default true check (one), under_way boolean not null);
      insert into fuel_refill (under_way) values (false);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table fuel_refill, fuel_days, fuel_coins, fuel_transactions')
  },
}
