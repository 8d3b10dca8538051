import { randomBytes } from 'node:crypto'
import { SECRET_PREFIX } from '../../core/registry/webhook-secret.ts'
import { seal, unseal } from '../keys/seal.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Each delivery is signed with all of them. */
export const LIVE_SECRETS_MAX = 4
/** So long receivers may go on checking with the secret before a new one, unless somebody says otherwise. */
export const OVERLAP_MS_DEFAULT = 24 * 3_600_000
const SECRET_BYTES = 32

export type NewSecret = { readonly number: number; readonly secret: string }

/** A new secret, which nobody is told again; those before it end when the overlap does. Undefined where too many are live. */
export async function addSecret(
  db: Queryable,
  subscriptionId: string,
  { masterKey, nowMs, overlapMs }: { masterKey: Uint8Array; nowMs: number; overlapMs: number },
): Promise<NewSecret | undefined> {
  await db.query({
    text: 'delete from subscription_secrets where subscription_id = $1 and until_ms <= $2',
    values: [subscriptionId, nowMs],
  })
  const { rows } = await db.query<{ number: number }>({
    text: 'select number from subscription_secrets where subscription_id = $1 order by number desc',
    values: [subscriptionId],
  })
  if (rows.length >= LIVE_SECRETS_MAX && overlapMs > 0) return undefined
  const number = 1 + (rows[0]?.number ?? 0)
  const key = Uint8Array.from(randomBytes(SECRET_BYTES))
  await db.query({
    text: `update subscription_secrets set until_ms = $2
      where subscription_id = $1 and (until_ms is null or until_ms > $2)`,
    values: [subscriptionId, nowMs + overlapMs],
  })
  await db.query({
    text: `insert into subscription_secrets (subscription_id, number, sealed, created_ms) values ($1, $2, $3, $4)`,
    values: [
      subscriptionId,
      number,
      Buffer.from(seal(masterKey, secretName(subscriptionId, number), key)),
      nowMs,
    ],
  })
  return { number, secret: SECRET_PREFIX + Buffer.from(key).toString('base64') }
}

/** What deliveries are signed with now, the newest first. */
export async function liveSecrets(
  db: Queryable,
  subscriptionId: string,
  { masterKey, nowMs }: { readonly masterKey: Uint8Array; readonly nowMs: number },
): Promise<Uint8Array[]> {
  const { rows } = await db.query<{ number: number; sealed: Buffer }>({
    name: 'subscription-secrets',
    text: `select number, sealed from subscription_secrets
      where subscription_id = $1 and (until_ms is null or until_ms > $2) order by number desc`,
    values: [subscriptionId, nowMs],
  })
  return rows.map(({ number, sealed }) => {
    const key = unseal(masterKey, secretName(subscriptionId, number), sealed)
    if (key !== undefined) return key
    throw new Error(
      `secret ${number} of subscription ${subscriptionId} was sealed with another master key. Set ASSAY_MASTER_KEY_FILE to the file of the node that made it (master.key in its ASSAY_DATA_DIR), or rotate the secret.`,
    )
  })
}

function secretName(subscriptionId: string, number: number): string {
  return `subscription-secret/${subscriptionId}/${number}`
}
