import type { Ledger } from './ledger.ts'

export type Spread = {
  /** Times of the events that the load will write: rows lie among them. */
  readonly fromMs: number
  readonly toMs: number
  readonly sourceId: string
}

const AT_ONCE = 500_000

/**
 * Rows of events that came long ago, half of them told apart by their eventId and half by an id of their source's,
 * where the load will write.
 */
export async function preloadDedup(ledger: Ledger, rows: number, spread: Spread): Promise<void> {
  const half = Math.floor(rows / 2)
  const width = Math.max(1, spread.toMs - spread.fromMs)
  for (let from = 0; from < half; from += AT_ONCE) {
    const to = Math.min(half, from + AT_ONCE)
    // Ascending, as they would have come; the id within a time is a hash, as it is.
    await ledger.query(
      `insert into event_ids (ordering, event_id)
        select $1::bigint + (n::double precision / $2 * $3)::bigint, sha256(('preload ' || n)::bytea)
        from generate_series($4::bigint, $5::bigint) as n on conflict do nothing`,
      [spread.fromMs, half, width, from, to - 1],
    )
    await ledger.query(
      `insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
        select $1, convert_to(substr(encode(sha256(('native ' || n)::bytea), 'hex'), 1, 24), 'UTF8'), sha256(n::text::bytea),
          sha256(n::text::bytea), $2, $2
        from generate_series($3::bigint, $4::bigint) as n on conflict do nothing`,
      [spread.sourceId, spread.fromMs, from, to - 1],
    )
  }
  // They came long ago: what PostgreSQL does about so many new rows, by itself and a moment later, is long over.
  await ledger.query('vacuum (analyze) event_ids')
  await ledger.query('vacuum (analyze) native_ids')
  await ledger.query('checkpoint')
}
