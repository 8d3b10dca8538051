import type { Subscription, Webhook } from '../../serve/subscriptions/subscription.ts'
import type { Queryable } from '../postgres/sql.ts'

const ms = (column: string) => `round(extract(epoch from ${column}) * 1000)::bigint`

const columns = `subscription_id as "subscriptionId", client_id as "clientId", subscription_type as type,
  overlay_topics as topics, filter_criteria as filter, client_identity_key as "ownerKey", subscription_status as status,
  status_reason as reason, ${ms('last_activity_at')} as "lastActivityMs", ${ms('expires_at')} as "expiresMs",
  ${ms('created_at')} as "createdMs", position, callback_url as "callbackUrl", consent,
  rate_per_minute as "ratePerMinute", batch_max as "batchMax", failing_since_ms as "failingSinceMs",
  next_try_ms as "nextTryMs", attempts, last_error as "lastError", delivered`

type Row = Omit<Subscription, 'webhook'> &
  Omit<Webhook, 'callbackUrl' | 'consent'> & {
    readonly callbackUrl: string | null
    readonly consent: Webhook['consent'] | null
  }

export async function findSubscription(
  db: Queryable,
  subscriptionId: string,
): Promise<Subscription | undefined> {
  const { rows } = await db.query<Row>({
    name: 'subscription-find',
    text: `select ${columns} from overlay_event_subscriptions where subscription_id = $1`,
    values: [subscriptionId],
  })
  return rows.map(subscriptionOf)[0]
}

export type ListedSubscriptions = {
  /** Anybody's without it. */
  readonly ownerKey?: string | undefined
  readonly clientId?: string | undefined
  readonly status?: Subscription['status'] | undefined
  /** From behind this one on. */
  readonly after?: string | undefined
  readonly limit: number
}

export async function listSubscriptions(
  db: Queryable,
  { ownerKey, clientId, status, after, limit }: ListedSubscriptions,
): Promise<Subscription[]> {
  const { rows } = await db.query<Row>({
    name: 'subscription-list',
    text: `select ${columns} from overlay_event_subscriptions
      where ($1::text is null or client_identity_key = $1) and ($2::text is null or client_id = $2)
        and ($3::text is null or subscription_status = $3) and ($4::text is null or subscription_id > $4)
      order by subscription_id limit $5`,
    values: [ownerKey ?? null, clientId ?? null, status ?? null, after ?? null, limit],
  })
  return rows.map(subscriptionOf)
}

function subscriptionOf({
  callbackUrl,
  consent,
  ratePerMinute,
  batchMax,
  failingSinceMs,
  nextTryMs,
  attempts,
  lastError,
  delivered,
  ...row
}: Row): Subscription {
  const webhook =
    callbackUrl === null || consent === null
      ? null
      : {
          ...{ callbackUrl, consent, ratePerMinute, batchMax, failingSinceMs, nextTryMs, attempts },
          ...{ lastError, delivered },
        }
  return { ...row, webhook }
}
