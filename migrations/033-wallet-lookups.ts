import type { Knex } from 'knex'

/**
 * What wallets ask ls_gitdata_certificates for beside what it could answer, and what a node needs to show the lineage of
 * certificates that others have issued; all of it from manifests, and filled by a reindex for what was admitted before.
 */
export const walletLookups = {
  name: '033-wallet-lookups',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      alter table gitdata_certificates
        -- From the manifest, where one came along that hashes to the version; else null.
        add column publisher_key bytea check (octet_length(publisher_key) = 33),
        add column created_ms bigint,
        add column sources text[],
        add column parents bytea[];
      create index gitdata_certificates_by_publisher on gitdata_certificates (publisher_key, admitted_ms, txid, vout)
        where publisher_key is not null;
      create index gitdata_certificates_by_created on gitdata_certificates (created_ms, txid, vout)
        where created_ms is not null;
      create index gitdata_certificates_by_source on gitdata_certificates using gin (sources)
        where sources is not null;

      -- Certificates are told to a host one after the other, each once the one before it was taken: what is certified of a
      -- partition builds on what was certified before.
      alter table outbox
        -- How often the host has answered that it does not take this one.
        add column refusals integer not null default 0,
        -- It was refused too often to keep what is behind it waiting.
        add column is_aside boolean not null default false,
        -- Set by whoever inserts: computed here, the table would be written anew, and nobody could tell anything meanwhile.
        add column in_order boolean not null default false;
      create index outbox_in_order on outbox (target, id) where in_order;
      create index outbox_in_no_order on outbox (target, due_ms, id) where not in_order;
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop index outbox_in_order, outbox_in_no_order;
      alter table outbox drop column in_order, drop column is_aside, drop column refusals;
      drop index gitdata_certificates_by_publisher, gitdata_certificates_by_created, gitdata_certificates_by_source;
      alter table gitdata_certificates drop column publisher_key, drop column created_ms,
        drop column sources, drop column parents
    `)
  },
}
