import type { Knex } from 'knex'

/** Views of certified events that outlive connections, and what is owed to those of them that are delivered to a webhook. */
export const subscriptions = {
  name: '034-subscriptions',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      create table overlay_event_subscriptions (
        subscription_id text primary key,
        -- What its owner calls whoever it is for.
        client_id text not null,
        subscription_type text not null check (subscription_type in ('sse', 'websocket', 'webhook', 'overlay')),
        filter_criteria jsonb not null default '{}',
        overlay_topics text[] not null default '{}',
        callback_url text,
        -- Its owner.
        client_identity_key text not null,
        subscription_status text not null default 'active' check (subscription_status in ('active', 'paused', 'expired')),
        last_activity_at timestamptz not null,
        expires_at timestamptz,
        created_at timestamptz not null,
        -- Why it is paused or expired; null while it is active.
        status_reason text,
        -- What comes next: a place on each track, sealed, as those who follow live events have it.
        position text not null,
        -- Of webhooks alone from here on.
        consent text check (consent in ('pending', 'given')),
        rate_per_minute integer check (rate_per_minute > 0),
        batch_max integer not null default 1,
        -- Fewer after a delivery that was too large.
        batch_now integer not null default 1,
        -- The delivery that is under way or failed: it is tried again under its id, up to the same place.
        pending_id text,
        pending_position text,
        attempts integer not null default 0,
        refusals integer not null default 0,
        refused_in_a_row integer not null default 0,
        failing_since_ms bigint,
        next_try_ms bigint not null default 0,
        last_error text,
        delivered bigint not null default 0,
        -- Which process delivers. Whoever takes it counts the token up, and nothing is written under an older one.
        holder text,
        hold_token bigint not null default 0,
        check ((subscription_type = 'webhook') = (callback_url is not null)),
        check ((subscription_type = 'webhook') = (consent is not null)),
        check ((pending_id is null) = (pending_position is null))
      );
      create index overlay_subscriptions_client on overlay_event_subscriptions (client_id, subscription_status);
      create index overlay_subscriptions_status on overlay_event_subscriptions (subscription_status, expires_at);
      create index overlay_subscriptions_owner on overlay_event_subscriptions (client_identity_key, subscription_id);
      create index overlay_subscriptions_held on overlay_event_subscriptions (holder)
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
      drop table subscription_holders, subscription_dead_letters, subscription_secrets, overlay_event_subscriptions
    `)
  },
}
