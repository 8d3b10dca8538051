import type { Knex } from 'knex'

/** What ls_ship, ls_slap, ls_uhrp and ls_gitdata_agents look things up in; filled again by a reindex without loss. */
export const discoveryIndexes = {
  name: '006-discovery-indexes',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table host_adverts (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        kind text not null check (kind in ('SHIP', 'SLAP')),
        identity_key bytea not null check (octet_length(identity_key) = 33),
        -- As its owner spells it, and in the one spelling of all that mean the same.
        domain text not null,
        base text not null,
        name text not null,
        admitted_ms bigint not null,
        primary key (txid, vout)
      );
      -- Each ends with the order of the list. Of equal adverts the latest answers, which the second finds.
      create index host_adverts_by_time on host_adverts (kind, admitted_ms, txid, vout);
      create index host_adverts_by_owner on host_adverts (kind, identity_key, base, name, admitted_ms, txid, vout);
      create index host_adverts_by_name on host_adverts (kind, name, admitted_ms, txid, vout);
      create index host_adverts_by_base on host_adverts (kind, base, admitted_ms, txid, vout);

      -- Whether an advertised host answers; by base.
      create table host_checks (
        domain text primary key,
        -- In a row, up to the last check.
        failures integer not null,
        checked_ms bigint not null
      );

      create table uhrp_adverts (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        hash bytea not null check (octet_length(hash) = 32),
        host_identity_key bytea not null check (octet_length(host_identity_key) = 33),
        url text not null,
        -- Scheme, host and port of the URL.
        origin text not null,
        expires_s bigint not null,
        size bigint not null check (size > 0),
        admitted_ms bigint not null,
        primary key (txid, vout)
      );
      create index uhrp_adverts_by_expiry on uhrp_adverts (expires_s, txid, vout);
      create index uhrp_adverts_by_hash on uhrp_adverts (hash, expires_s, txid, vout);
      create index uhrp_adverts_by_host on uhrp_adverts (host_identity_key, hash, expires_s, txid, vout);

      create table gitdata_agents (
        txid bytea not null check (octet_length(txid) = 32),
        vout bigint not null check (vout between 0 and 4294967295),
        agent_key bytea not null check (octet_length(agent_key) = 33),
        operator bytea not null check (octet_length(operator) = 33),
        operator_from_ms bigint not null,
        operator_to_ms bigint not null,
        capabilities text[] not null,
        endpoints text[] not null,
        packets_max bigint not null,
        bytes_max bigint not null,
        price bigint not null,
        region text,
        expires_ms bigint not null,
        spent_by bytea check (octet_length(spent_by) = 32),
        admitted_ms bigint not null,
        primary key (txid, vout)
      );
      create index gitdata_agents_by_time on gitdata_agents (admitted_ms, txid, vout);
      create index gitdata_agents_by_agent on gitdata_agents (agent_key, admitted_ms, txid, vout);
      create index gitdata_agents_by_operator on gitdata_agents (operator, admitted_ms, txid, vout);
      -- Of the adverts of one agent that it has not withdrawn, the one that lasts longest counts.
      create index gitdata_agents_current on gitdata_agents (agent_key, expires_ms, admitted_ms, txid, vout)
        where spent_by is null;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('drop table gitdata_agents, uhrp_adverts, host_checks, host_adverts')
  },
}
