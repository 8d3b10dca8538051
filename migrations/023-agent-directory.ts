import type { Knex } from 'knex'

/** What a node knows of agents beyond their adverts, which stand in gitdata_agents and host_adverts. */
export const agentDirectory = {
  name: '023-agent-directory',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- How calls at an agent have gone, by all nodes together.
      create table agent_reach (
        agent_key bytea primary key check (octet_length(agent_key) = 33),
        -- In a row.
        failures integer not null default 0,
        -- Nothing is offered to it before this time, after failures.
        again_ms bigint not null default 0,
        answered_ms bigint,
        last_error text,
        health jsonb,
        checked_ms bigint not null default 0
      ) with (fillfactor = 50);
      create index agent_reach_by_check on agent_reach (checked_ms);

      -- Agents that hold a subscription instead of a public address, and the node process that they hold it at. What is
      -- offered to one of them is pushed by that process.
      create table agent_subscriptions (
        agent_key bytea not null check (octet_length(agent_key) = 33),
        topic text not null,
        node text not null,
        until_ms bigint not null,
        since_ms bigint not null,
        primary key (agent_key, topic)
      ) with (fillfactor = 50);
      create index agent_subscriptions_by_node on agent_subscriptions (node);

      -- Adverts of agents that this node has paid for.
      create table sponsored_adverts (
        agent_key bytea not null check (octet_length(agent_key) = 33),
        operator bytea not null check (octet_length(operator) = 33),
        kind text not null check (kind in ('GDA1', 'SHIP')),
        name text not null,
        script bytea not null,
        txid bytea not null check (octet_length(txid) = 32),
        vout integer not null,
        expires_ms bigint not null,
        paid_ms bigint not null,
        primary key (txid, vout)
      );
      create index sponsored_adverts_by_agent on sponsored_adverts (agent_key, paid_ms);
      create index sponsored_adverts_by_operator on sponsored_adverts (operator, paid_ms);
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table sponsored_adverts, agent_subscriptions, agent_reach')
  },
}
