import type { Pool } from 'pg'
import type { Outcome } from '../../core/fault.ts'
import type { LiveFilter } from '../../serve/live/live-filter.ts'
import type { Asked } from '../../serve/subscriptions/filter-criteria.ts'
import type { DeliveryStore, Held, Settled } from '../../serve/subscriptions/ports.ts'
import { keptText } from '../postgres/kept-text.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'

export type DeliveryStoreDeps = {
  readonly pool: Pool
  readonly deadLettersMax: number
  /** A process of which nothing was heard for so long is taken for gone. */
  readonly holdMs?: number
  readonly filterOf: (asked: Asked) => Outcome<LiveFilter>
  now(): number
  /** One that cannot be delivered by this version; the others are. */
  onUnreadable(error: Error): void
}

/** Five times as long as from one sign of a process to the next. */
const HOLD_MS = 5_000
/** Expired ones are kept for whoever wonders. */
const EXPIRED_KEPT_MS = 30 * 86_400_000
const SWEPT_ROWS_MAX = 1_000

export function openDeliveryStore(deps: DeliveryStoreDeps): DeliveryStore {
  const { pool, deadLettersMax, holdMs = HOLD_MS, now } = deps
  return {
    async stay(holder) {
      await pool.query({
        name: 'subscriptions-stay',
        text: `with others as (delete from subscription_holders where until_ms < $2 and holder <> $1)
          insert into subscription_holders (holder, until_ms) values ($1, $3)
            on conflict (holder) do update set until_ms = excluded.until_ms`,
        values: [holder, now() - holdMs, now() + holdMs],
      })
      const { rows } = await pool.query<{ subscriptionId: string; holdToken: number }>({
        name: 'subscriptions-ours',
        text: `select subscription_id as "subscriptionId", hold_token as "holdToken" from overlay_event_subscriptions
          where holder = $1 and subscription_type = 'webhook' and subscription_status = 'active'`,
        values: [holder],
      })
      return new Map(rows.map(({ subscriptionId, holdToken }) => [subscriptionId, holdToken]))
    },
    async leave(holder) {
      await pool.query({
        name: 'subscriptions-leave',
        text: `with gone as (delete from subscription_holders where holder = $1)
          update overlay_event_subscriptions set holder = null where holder = $1
            and subscription_type = 'webhook' and subscription_status = 'active'`,
        values: [holder],
      })
    },
    async take(holder, limit, known) {
      if (limit <= 0) return []
      const { rows } = await pool.query<HeldRow>({
        name: 'subscriptions-take',
        text: `with free as (
            select subscription_id from overlay_event_subscriptions as free
              where subscription_type = 'webhook' and subscription_status = 'active'
                and (holder is null or (holder = $1 and subscription_id <> all ($4::text[])) or not exists (
                  select from subscription_holders as there where there.holder = free.holder and there.until_ms > $2))
              order by last_activity_at limit $3 for update skip locked)
          update overlay_event_subscriptions as taken set holder = $1, hold_token = hold_token + 1
            from free where taken.subscription_id = free.subscription_id
            returning taken.subscription_id as "subscriptionId", hold_token as "holdToken",
              client_identity_key as "ownerKey", overlay_topics as topics, filter_criteria as filter,
              callback_url as "callbackUrl", consent, rate_per_minute as "ratePerMinute", position,
              pending_id as "pendingId", pending_position as "pendingPosition", attempts,
              failing_since_ms as "failingSinceMs", refusals, refused_in_a_row as "refusedInARow",
              batch_now as "batchNow", batch_max as "batchMax", next_try_ms as "nextTryMs"`,
        values: [holder, now(), limit, [...known]],
      })
      return rows.flatMap(row => heldOf(row, deps) ?? [])
    },
    async countUnheld() {
      const { rows } = await pool.query<{ count: number }>({
        name: 'subscriptions-unheld',
        text: `select count(*)::integer as count from overlay_event_subscriptions as free
          where subscription_type = 'webhook' and subscription_status = 'active' and (holder is null or not exists (
            select from subscription_holders as there where there.holder = free.holder and there.until_ms > $1))`,
        values: [now()],
      })
      return rows[0]?.count ?? 0
    },
    begin: (held, { webhookId, position }, from) =>
      ours(pool, {
        name: 'subscriptions-begin',
        text: `update overlay_event_subscriptions set pending_id = $3, pending_position = $4, position = $5
          where ${isOurs} and (expires_at is null or expires_at > to_timestamp($6::bigint / 1000.0))`,
        values: [...who(held), webhookId, position, from, now()],
      }),
    settle: (held, settled) => settle(pool, held, settled, now()),
    consented: (held, ratePerMinute) =>
      ours(pool, {
        name: 'subscriptions-consented',
        text: `update overlay_event_subscriptions set consent = 'given', rate_per_minute = $3, attempts = 0,
            failing_since_ms = null, last_error = null, next_try_ms = 0
          where ${isOurs}`,
        values: [...who(held), ratePerMinute],
      }),
    setAside: (held, settled, { webhookId, from, until, eventIds, status, why }) =>
      inTransaction(
        pool,
        async db => {
          // Before the count: two at once would both find room. The row is locked until then.
          if (!(await settle(db, held, settled, now()))) return false
          const { rowCount } = await db.query({
            name: 'subscriptions-set-aside',
            text: `insert into subscription_dead_letters (subscription_id, webhook_id, from_position, until_position,
                event_ids, refused_ms, status, last_error)
              select $1, $2, $3, $4, $5, $6, $7, $8
                where (select count(*) from subscription_dead_letters where subscription_id = $1) < $9`,
            values: [
              ...[held.subscriptionId, webhookId, from, until, [...eventIds], now(), status, keptText(why)],
              deadLettersMax,
            ],
          })
          return rowCount === 1 || 'full'
        },
        { keep: set => set === true },
      ),
    async letterDue({ subscriptionId }) {
      const { rows } = await pool.query<{
        number: number
        webhookId: string
        from: string
        until: string
      }>({
        name: 'subscriptions-letter-due',
        text: `select number, webhook_id as "webhookId", from_position as "from", until_position as "until"
          from subscription_dead_letters where subscription_id = $1 and redeliver_ms is not null
          order by redeliver_ms, number limit 1`,
        values: [subscriptionId],
      })
      return rows[0]
    },
    shortenLetter: (held, { number, webhookId, from }) =>
      ours(pool, {
        name: 'subscriptions-letter-shorter',
        text: `update subscription_dead_letters set webhook_id = $4, from_position = $5
          where subscription_id = $1 and number = $3
            and exists (select from overlay_event_subscriptions where ${isOurs})`,
        values: [...who(held), number, webhookId, from],
      }),
    settleLetter: (held, { number }, outcome) =>
      outcome === 'arrived'
        ? ours(pool, {
            name: 'subscriptions-letter-arrived',
            text: `delete from subscription_dead_letters where subscription_id = $1 and number = $3
              and exists (select from overlay_event_subscriptions where ${isOurs})`,
            values: [...who(held), number],
          })
        : ours(pool, {
            name: 'subscriptions-letter-failed',
            text: `update subscription_dead_letters set redeliver_ms = null, last_error = $4,
                status = coalesce($5, status)
              where subscription_id = $1 and number = $3
                and exists (select from overlay_event_subscriptions where ${isOurs})`,
            values: [...who(held), number, keptText(outcome.why), outcome.status ?? null],
          }),
    async expire() {
      const { rowCount } = await pool.query({
        name: 'subscriptions-expire',
        text: `with long_gone as (
            delete from overlay_event_subscriptions where subscription_id in (
              select subscription_id from overlay_event_subscriptions
                where subscription_status = 'expired' and expires_at <= to_timestamp($2::bigint / 1000.0)
                limit ${SWEPT_ROWS_MAX} for update skip locked))
          update overlay_event_subscriptions set subscription_status = 'expired', status_reason = 'time', holder = null,
              hold_token = hold_token + 1
            where subscription_status in ('active', 'paused') and expires_at <= to_timestamp($1::bigint / 1000.0)`,
        values: [now(), now() - EXPIRED_KEPT_MS],
      })
      return rowCount ?? 0
    },
  }
}

/** A change by its owner counts the token up too, and so takes effect before anything else is sent. */
const isOurs = `subscription_id = $1 and hold_token = $2 and subscription_status = 'active'`

function who({ subscriptionId, holdToken }: Held): [string, number] {
  return [subscriptionId, holdToken]
}

async function ours(
  db: Queryable,
  statement: { readonly name: string; readonly text: string; readonly values: unknown[] },
): Promise<boolean> {
  const { rowCount } = await db.query(statement)
  return rowCount === 1
}

function settle(db: Queryable, held: Held, settled: Settled, nowMs: number): Promise<boolean> {
  const { position, pending, state, nextTryMs, lastError, arrived, ends } = settled
  return ours(db, {
    name: 'subscriptions-settle',
    text: `update overlay_event_subscriptions set position = coalesce($3, position),
        pending_id = case when $4 then null else pending_id end,
        pending_position = case when $4 then null else pending_position end,
        attempts = $5, failing_since_ms = $6, refusals = $7, refused_in_a_row = $8, batch_now = $9, next_try_ms = $10,
        last_error = $11, delivered = delivered + $12,
        last_activity_at = case when $12 > 0 then to_timestamp($13::bigint / 1000.0) else last_activity_at end,
        subscription_status = coalesce($14, subscription_status), status_reason = coalesce($15, status_reason),
        -- What has ended so is kept for a while, like what has ended by its time.
        expires_at = case when $14 = 'expired' then to_timestamp($13::bigint / 1000.0) else expires_at end
      where ${isOurs}`,
    values: [
      ...who(held),
      position ?? null,
      pending === null,
      ...[state.attempts, state.failingSinceMs, state.refusals, state.refusedInARow, state.batchNow],
      ...[
        nextTryMs,
        lastError && keptText(lastError),
        arrived,
        nowMs,
        ends?.status ?? null,
        ends?.reason ?? null,
      ],
    ],
  })
}

type HeldRow = Pick<
  Held,
  | 'subscriptionId'
  | 'holdToken'
  | 'ownerKey'
  | 'callbackUrl'
  | 'consent'
  | 'ratePerMinute'
  | 'position'
  | 'nextTryMs'
> &
  Held['state'] &
  Asked & { readonly pendingId: string | null; readonly pendingPosition: string | null }

function heldOf(
  row: HeldRow,
  { filterOf, onUnreadable }: Pick<DeliveryStoreDeps, 'filterOf' | 'onUnreadable'>,
): Held | undefined {
  const { topics, filter, pendingId, pendingPosition, ...rest } = row
  const { attempts, failingSinceMs, refusals, refusedInARow, batchNow, batchMax, ...held } = rest
  const read = filterOf({ topics, filter })
  if (!read.ok) {
    onUnreadable(new Error(`the filter of subscription ${row.subscriptionId}: ${read.fault.detail}`))
    return undefined
  }
  return {
    ...held,
    filter: read.value,
    pending:
      pendingId === null || pendingPosition === null
        ? null
        : { webhookId: pendingId, position: pendingPosition },
    state: { attempts, failingSinceMs, refusals, refusedInARow, batchNow, batchMax },
  }
}
