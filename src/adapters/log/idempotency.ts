import type { Idempotency, ItemAnswer } from '../../ingest/arrived.ts'
import { byteas, hexOf, type Queryable } from '../postgres/sql.ts'

/** So long a key is remembered. */
export const KEY_MS_MAX = 24 * 3_600_000

export type KeyVerdict = 'new' | 'reused' | { readonly answered: readonly ItemAnswer[] }

/** Takes keys for this transaction; whoever comes with one of them meanwhile waits for how it ends. */
export async function claimKeys(
  db: Queryable,
  keys: readonly Idempotency[],
  nowMs: number,
): Promise<KeyVerdict[]> {
  if (keys.length === 0) return []
  const { rows: claimed } = await db.query<{ place: number }>({
    name: 'claim-keys',
    text: `with given as (
        select scope, key, body_hash, (place - 1)::int as place
        from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as given (scope, key, body_hash, place)),
      claimed as (
        insert into idempotency_keys as held (scope, key, body_hash, created_ms)
          select scope, key, body_hash, $4 from given order by scope, key
          on conflict (scope, key) do update
            set body_hash = excluded.body_hash, answer = null, created_ms = excluded.created_ms
            where held.created_ms < $4 - ${KEY_MS_MAX}
          returning scope, key)
      select place from given join claimed using (scope, key)`,
    values: [
      keys.map(({ scope }) => scope),
      keys.map(({ key }) => key),
      byteas(keys.map(({ bodyHash }) => bodyHash)),
      nowMs,
    ],
  })
  const isNew = new Set(claimed.map(({ place }) => place))
  return Promise.all(keys.map((key, place) => (isNew.has(place) ? 'new' : readAnswer(db, key))))
}

async function readAnswer(db: Queryable, { scope, key, bodyHash }: Idempotency): Promise<KeyVerdict> {
  const { rows } = await db.query<{ bodyHash: Uint8Array; answer: string }>(
    'select body_hash as "bodyHash", answer from idempotency_keys where scope = $1 and key = $2',
    [scope, key],
  )
  const [held] = rows
  if (held === undefined || hexOf(held.bodyHash) !== bodyHash) return 'reused'
  return { answered: JSON.parse(held.answer) }
}

export async function keepAnswers(
  db: Queryable,
  answers: readonly { readonly key: Idempotency; readonly items: readonly ItemAnswer[] }[],
): Promise<void> {
  for (const { key, items } of answers)
    await db.query('update idempotency_keys set answer = $3 where scope = $1 and key = $2', [
      key.scope,
      key.key,
      JSON.stringify(items),
    ])
}

/** For a request that was refused after all: it may come again with its key. */
export async function giveKeyBack(db: Queryable, { scope, key }: Idempotency): Promise<void> {
  await db.query('delete from idempotency_keys where scope = $1 and key = $2', [scope, key])
}

/** Lets go of keys that nobody is promised any more; resolves with how many those were. */
export async function sweepKeys(db: Queryable, nowMs: number, rowsMax: number): Promise<number> {
  const { rowCount } = await db.query(
    // Every node sweeps, each other keys; one that is taken anew right now is none of them.
    `delete from idempotency_keys where ctid = any(array(
      select ctid from idempotency_keys where created_ms < $1 order by created_ms limit $2
        for update skip locked))`,
    [nowMs - KEY_MS_MAX, rowsMax],
  )
  return rowCount ?? 0
}
