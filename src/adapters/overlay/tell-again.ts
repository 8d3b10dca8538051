import type { Chain } from '../chain/chain.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'
import { NETWORK } from './targets.ts'

/** How many the network is asked about at once. */
const STATUS_BATCH = 1000

/** Has the network told once more of every admitted transaction that it knows nothing of. */
export async function tellAgain({
  db,
  chain,
  now,
}: {
  readonly db: Queryable
  readonly chain: Pick<Chain, 'statusOf'>
  now(): number
}): Promise<void> {
  const { rows } = await db.query<{ txid: string }>({
    text: `select encode(txid, 'hex') as txid from transactions
      where proof is null and exists (select from applied where applied.txid = transactions.txid) order by stored_ms`,
  })
  for (let at = 0; at < rows.length; at += STATUS_BATCH) {
    const asked = rows.slice(at, at + STATUS_BATCH).map(({ txid }) => txid)
    const known = await chain.statusOf(asked)
    await tellNetwork(
      asked.filter(txid => !known.has(txid)),
      { db, now },
    )
  }
}

/** Has the network told of these, at once: who waits for another try waits no longer. Resolves with how many are told. */
export async function tellNetwork(
  txids: readonly string[],
  { db, now }: { readonly db: Queryable; now(): number },
): Promise<number> {
  const { rowCount } = await db.query({
    text: `insert into outbox (txid, target, topics, due_ms)
      select txid, $2, array_agg(distinct topic), $3::bigint from applied where txid = any ($1) group by txid
      on conflict (txid, target) do update set due_ms = least(outbox.due_ms, excluded.due_ms)`,
    values: [byteas(txids), NETWORK, now()],
  })
  return rowCount ?? 0
}
