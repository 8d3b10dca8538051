import type { Knex } from 'knex'

/** How far subscriptions have come, and what is owed to those of them that are delivered to a webhook. */
export const subscriptions = {
  name: '034-subscriptions',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      -- Nothing has written to it yet.
      alter table overlay_event_subscriptions
        -- Its owner.
        alter column client_identity_key set not null,
        -- Why it is paused or expired; null while it is active.
        add column status_reason text,
        -- What comes next: a place on each track, sealed, as those who follow live events have it.
        add column position text not null,
        -- Of webhooks alone from here on.
        add column consent text check (consent in ('pending', 'given')),
        add column rate_per_minute integer check (rate_per_minute > 0),
        add column batch_max integer not null default 1,
        -- Fewer after a delivery that was too large.
        add column batch_now integer not null default 1,
        -- The delivery that is under way or failed: it is tried again under its id, up to the same place.
        add column pending_id text,
        add column pending_position text,
        add column attempts integer not null default 0,
        add column refusals integer not null default 0,
        add column refused_in_a_row integer not null default 0,
        add column failing_since_ms bigint,
        add column next_try_ms bigint not null default 0,
        add column last_error text,
        add column delivered bigint not null default 0,
        -- Which process delivers. Whoever takes it counts the token up, and nothing is written under an older one.
        add column holder text,
        add column hold_token bigint not null default 0,
        add constraint overlay_subscriptions_callback check ((subscription_type = 'webhook') = (callback_url is not null)),
        add check ((subscription_type = 'webhook') = (consent is not null)),
        add check ((pending_id is null) = (pending_position is null));
      create index overlay_subscriptions_by_owner on overlay_event_subscriptions (client_identity_key, subscription_id);
      create index overlay_subscriptions_by_holder on overlay_event_subscriptions (holder)
        where subscription_type = 'webhook' and subscription_status = 'active';

      -- What deliveries are signed with: each of them, until its time is over.
      create table subscription_secrets (
        subscription_id text not null references overlay_event_subscriptions on delete cascade,
        number integer not null check (number > 0),
        -- With the master key.
        sealed bytea not null,
        created_ms bigint not null,
        until_ms bigint,
        primary key (subscription_id, number)
      );

      -- What a receiver has refused so often that it kept the rest waiting. The events are in the log: here is from where to
      -- where it went.
      create table subscription_dead_letters (
        subscription_id text not null references overlay_event_subscriptions on delete cascade,
        number bigint generated always as identity,
        webhook_id text not null,
        from_position text not null,
        until_position text not null,
        event_ids text[] not null,
        refused_ms bigint not null,
        status integer not null,
        last_error text not null,
        -- Set where it shall be delivered once more.
        redeliver_ms bigint,
        primary key (subscription_id, number)
      );

      -- Processes that deliver, and until when each is taken to be there.
      create table subscription_holders (
        holder text primary key,
        until_ms bigint not null
      );
    `)
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`
      drop table subscription_holders, subscription_dead_letters, subscription_secrets;
      drop index overlay_subscriptions_by_owner, overlay_subscriptions_by_holder;
      alter table overlay_event_subscriptions drop constraint overlay_subscriptions_callback,
        alter column client_identity_key drop not null,
        drop column status_reason, drop column position, drop column consent, drop column rate_per_minute,
        drop column batch_max, drop column batch_now, drop column pending_id, drop column pending_position,
        drop column attempts, drop column refusals, drop column refused_in_a_row, drop column failing_since_ms,
        drop column next_try_ms, drop column last_error, drop column delivered, drop column holder,
        drop column hold_token
    `)
  },
}
