import type { Pool } from 'pg'
import type { FilterCriteria } from '../../serve/subscriptions/filter-criteria.ts'
import type { Subscription } from '../../serve/subscriptions/subscription.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import { addSecret, type NewSecret } from './secrets.ts'

export type NewSubscription = Pick<
  Subscription,
  'subscriptionId' | 'clientId' | 'type' | 'topics' | 'filter' | 'ownerKey' | 'expiresMs' | 'position'
> & { readonly callbackUrl: string | null; readonly batchMax: number }

/** What its owner may change; what is not named stays. */
export type SubscriptionChange = {
  readonly clientId?: string | undefined
  readonly status?: 'active' | 'paused' | undefined
  readonly topics?: readonly string[] | undefined
  readonly filter?: FilterCriteria | undefined
  readonly expiresMs?: number | null | undefined
  readonly position?: string | undefined
  readonly callbackUrl?: string | undefined
  readonly batchMax?: number | undefined
}

export type ShownDeadLetter = {
  readonly number: number
  readonly webhookId: string
  readonly eventIds: readonly string[]
  readonly refusedMs: number
  readonly status: number
  readonly lastError: string
  readonly redeliverMs: number | null
}

export type ChangeBounds = { readonly perOwnerMax: number; readonly allMax: number }

/** What owners do with their subscriptions. Each change takes one from whoever delivers it, and so holds for all that follows. */
export function openSubscriptionChanges(pool: Pool, masterKey: Uint8Array, now: () => number) {
  return {
    /** With the secret of a webhook; or which bound is reached. */
    create: (subscription: NewSubscription, bounds: ChangeBounds) =>
      inTransaction(
        pool,
        async (db): Promise<{ readonly secret: NewSecret | undefined } | 'owner-full' | 'all-full'> => {
          // One after the other, or the count would be another by the time that it is used.
          await db.query(`select pg_advisory_xact_lock(hashtext('assay: subscriptions'))`)
          const full = await whichIsFull(db, subscription.ownerKey, bounds)
          if (full !== undefined) return full
          await insert(db, subscription, now())
          const isWebhook = subscription.callbackUrl !== null
          const { subscriptionId } = subscription
          return {
            secret: isWebhook
              ? await addSecret(db, subscriptionId, { masterKey, nowMs: now(), overlapMs: 0 })
              : undefined,
          }
        },
        { keep: made => typeof made !== 'string' },
      ),
    /** False where there is none that is not expired. */
    async change(subscriptionId: string, change: SubscriptionChange): Promise<boolean> {
      const { clientId, status, topics, filter, expiresMs, position, callbackUrl, batchMax } = change
      const isElsewhere = position !== undefined || filter !== undefined || topics !== undefined
      const { rowCount } = await pool.query({
        name: 'subscription-change',
        text: `update overlay_event_subscriptions set holder = null, hold_token = hold_token + 1,
            client_id = coalesce($2, client_id), subscription_status = coalesce($3, subscription_status),
            status_reason = case $3 when 'paused' then 'owner' when 'active' then null else status_reason end,
            overlay_topics = coalesce($4, overlay_topics), filter_criteria = coalesce($5, filter_criteria),
            expires_at = case when $6 then to_timestamp($7::bigint / 1000.0) else expires_at end,
            position = coalesce($8, position),
            -- A delivery that is asked for otherwise is another one. So is one in another form.
            pending_id = case when $9 then null else pending_id end,
            pending_position = case when $9 then null else pending_position end,
            callback_url = coalesce($10, callback_url),
            consent = case when $10 <> callback_url then 'pending' else consent end,
            rate_per_minute = case when $10 <> callback_url then null else rate_per_minute end,
            batch_max = coalesce($11, batch_max), batch_now = coalesce($11, batch_now),
            -- Whoever takes it up wants it tried now.
            failing_since_ms = case when $12 then null else failing_since_ms end,
            attempts = case when $12 then 0 else attempts end, next_try_ms = case when $12 then 0 else next_try_ms end,
            refusals = case when $12 then 0 else refusals end,
            refused_in_a_row = case when $12 then 0 else refused_in_a_row end,
            last_activity_at = to_timestamp($13::bigint / 1000.0)
          where subscription_id = $1 and subscription_status <> 'expired'`,
        values: [
          ...[subscriptionId, clientId ?? null, status ?? null, topics === undefined ? null : [...topics]],
          ...[
            filter === undefined ? null : JSON.stringify(filter),
            expiresMs !== undefined,
            expiresMs ?? null,
          ],
          ...[position ?? null, isElsewhere || batchMax !== undefined, callbackUrl ?? null, batchMax ?? null],
          ...[status === 'active' || callbackUrl !== undefined, now()],
        ],
      })
      return rowCount === 1
    },
    async remove(subscriptionId: string): Promise<void> {
      await pool.query({
        text: 'delete from overlay_event_subscriptions where subscription_id = $1',
        values: [subscriptionId],
      })
    },
    /** Undefined where as many are live as may be. */
    rotate: (subscriptionId: string, overlapMs: number): Promise<NewSecret | undefined> =>
      inTransaction(pool, async db => {
        await db.query({
          text: 'select from overlay_event_subscriptions where subscription_id = $1 for update',
          values: [subscriptionId],
        })
        return addSecret(db, subscriptionId, { masterKey, nowMs: now(), overlapMs })
      }),
    async deadLetters(
      subscriptionId: string,
      { after, limit }: { readonly after: number; readonly limit: number },
    ): Promise<ShownDeadLetter[]> {
      const { rows } = await pool.query<ShownDeadLetter>({
        text: `select number, webhook_id as "webhookId", event_ids as "eventIds", refused_ms as "refusedMs", status,
            last_error as "lastError", redeliver_ms as "redeliverMs"
          from subscription_dead_letters where subscription_id = $1 and number > $2 order by number limit $3`,
        values: [subscriptionId, after, limit],
      })
      return rows
    },
    /** False where there is none. Whoever delivers looks anew, before anything else. */
    async redeliver(subscriptionId: string, number: number): Promise<boolean> {
      const { rowCount } = await pool.query({
        text: `with asked as (
            update subscription_dead_letters set redeliver_ms = coalesce(redeliver_ms, $3)
              where subscription_id = $1 and number = $2 returning subscription_id)
          update overlay_event_subscriptions as its set holder = null, hold_token = hold_token + 1
            from asked where its.subscription_id = asked.subscription_id`,
        values: [subscriptionId, number, now()],
      })
      return rowCount === 1
    },
    async forgetDeadLetter(subscriptionId: string, number: number): Promise<boolean> {
      const { rowCount } = await pool.query({
        text: 'delete from subscription_dead_letters where subscription_id = $1 and number = $2',
        values: [subscriptionId, number],
      })
      return rowCount === 1
    },
    /** A client has it up to there, and goes on. */
    async acknowledge({ subscriptionId }: Subscription, position: string | undefined): Promise<void> {
      await pool.query({
        name: 'subscription-acknowledge',
        text: `update overlay_event_subscriptions set position = coalesce($2, position),
            last_activity_at = to_timestamp($3::bigint / 1000.0)
          where subscription_id = $1 and subscription_status = 'active' and subscription_type <> 'webhook'`,
        values: [subscriptionId, position ?? null, now()],
      })
    },
    /** Of these, the ones that may be followed no more. */
    async notActive(subscriptionIds: readonly string[]): Promise<string[]> {
      const { rows } = await pool.query<{ id: string }>({
        name: 'subscription-not-active',
        text: `select asked.id from unnest($1::text[]) as asked (id) where not exists (
          select from overlay_event_subscriptions where subscription_id = asked.id and subscription_status = 'active'
            and (expires_at is null or expires_at > to_timestamp($2::bigint / 1000.0)))`,
        values: [[...subscriptionIds], now()],
      })
      return rows.map(({ id }) => id)
    },
  }
}

export type SubscriptionChanges = ReturnType<typeof openSubscriptionChanges>

async function whichIsFull(
  db: Queryable,
  ownerKey: string,
  { perOwnerMax, allMax }: ChangeBounds,
): Promise<'owner-full' | 'all-full' | undefined> {
  const { rows } = await db.query<{ own: number; all: number }>({
    text: `select (select count(*) from overlay_event_subscriptions where client_identity_key = $1)::int as own,
      (select count(*) from overlay_event_subscriptions)::int as all`,
    values: [ownerKey],
  })
  const { own = 0, all = 0 } = rows[0] ?? {}
  if (own >= perOwnerMax) return 'owner-full'
  return all >= allMax ? 'all-full' : undefined
}

async function insert(db: Queryable, its: NewSubscription, nowMs: number): Promise<void> {
  await db.query({
    text: `insert into overlay_event_subscriptions (subscription_id, client_id, subscription_type, filter_criteria,
        overlay_topics, callback_url, client_identity_key, last_activity_at, expires_at, created_at, position, consent,
        batch_max, batch_now)
      values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::bigint / 1000.0), to_timestamp($9::bigint / 1000.0),
        to_timestamp($8::bigint / 1000.0), $10, case when $6::text is not null then 'pending' end, $11, $11)`,
    values: [
      ...[its.subscriptionId, its.clientId, its.type, JSON.stringify(its.filter), [...its.topics]],
      ...[its.callbackUrl, its.ownerKey, nowMs, its.expiresMs, its.position, its.batchMax],
    ],
  })
}
