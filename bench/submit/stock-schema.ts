/**
 * The tables that the reference engine's Knex storage expects. Its own migrations name types that PostgreSQL does not
 * have; the unique keys are the ones without which two submits at once leave rows twice.
 */
export const stockSchema = `
  create table transactions (
    id bigint generated always as identity primary key,
    txid varchar(64) not null unique,
    beef bytea
  );
  create table outputs (
    id bigint generated always as identity primary key,
    txid varchar(64) not null,
    "outputIndex" bigint not null,
    "outputScript" bytea,
    topic varchar(255) not null,
    satoshis bigint,
    "outputsConsumed" text not null default '[]',
    "consumedBy" text not null default '[]',
    spent boolean not null default false,
    "blockHeight" bigint,
    score bigint not null default 0,
    unique (txid, "outputIndex", topic)
  );
  create index outputs_unspent on outputs (topic, score) where not spent;
  create table applied_transactions (
    id bigint generated always as identity primary key,
    txid varchar(64) not null,
    topic varchar(255) not null,
    unique (txid, topic)
  );
  create table host_sync_state (
    host varchar(255) not null,
    topic varchar(255) not null,
    since bigint not null,
    primary key (host, topic)
  );`
