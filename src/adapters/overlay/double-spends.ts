import { sha256Hex } from '#sha256'
import { ancestry, type Beef, type BeefTransaction, writeBeef } from '../../contract/beef.ts'
import type { Bump } from '../../contract/bump.ts'
import { readLock } from '../../contract/script.ts'
import { toHex } from '../../core/bytes.ts'
import type { Chain } from '../chain/chain.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'
import { readHistories } from './read-histories.ts'
import type { Submission } from './submission.ts'
import type { DoubleSpend } from './submit.ts'

/** Of one key; whoever signs more double spends than this has been caught often enough. */
export const DOUBLE_SPENDS_PER_KEY_MAX = 16
/** In all. */
export const DOUBLE_SPENDS_MAX = 10_000
export const DOUBLE_SPEND_BYTES_MAX = 256 * 1024 * 1024

/** Keeps a refused transaction as evidence against whoever signed it. Resolves with whether there was room. */
export async function keepDoubleSpend(
  { transaction, coin, against }: DoubleSpend,
  { beef, topics }: Submission,
  { db, nowMs }: { db: Queryable; nowMs: number },
): Promise<boolean> {
  const history = ancestry({ subject: transaction, byTxid: beef.byTxid })
  return keep({ txid: transaction.txid, key: keyBehind(beef, coin), against, history, topics }, db, nowMs)
}

/** Keeps one of ours that goes because the network has mined another one: should it come back to ours, so do we. */
export async function keepReplaced(
  ours: string,
  mined: string,
  { db, nowMs }: { db: Queryable; nowMs: number },
): Promise<void> {
  const history = (await readHistories(db, [ours])).historyOf(ours)
  if (history === undefined) return
  const { rows } = await db.query<{ topic: string }>({
    text: 'select topic from applied where txid = $1 order by topic',
    values: [bytea(ours)],
  })
  await keep(
    { txid: ours, key: ours, against: mined, history, topics: rows.map(({ topic }) => topic) },
    db,
    nowMs,
  )
}

type Evidence = {
  readonly txid: string
  readonly key: string
  readonly against: string
  readonly history: readonly BeefTransaction[]
  readonly topics: readonly string[]
}

async function keep(
  { txid, key, against, history, topics }: Evidence,
  db: Queryable,
  nowMs: number,
): Promise<boolean> {
  const kept = await db.query({
    text: `insert into double_spends (txid, spender_key, against, beef, topics, seen_ms)
      select $1, $2, $3, $4, $5, $6
        where (select count(*) from double_spends where spender_key = $2) < $7
          and (select count(*) < $8 and coalesce(sum(octet_length(beef)), 0) < $9 from double_spends)
      on conflict (txid) do nothing`,
    values: [
      bytea(txid),
      bytea(key),
      bytea(against),
      Buffer.from(writeBeef(history)),
      topics,
      nowMs,
      DOUBLE_SPENDS_PER_KEY_MAX,
      DOUBLE_SPENDS_MAX,
      DOUBLE_SPEND_BYTES_MAX,
    ],
  })
  return kept.rowCount === 1
}

/** What the coin is locked to: a key, its hash, or where the lock is another one, the lock's own hash. */
function keyBehind({ byTxid }: Beef, { txid, vout }: { txid: string; vout: number }): string {
  const script = byTxid.get(txid)?.outputs[vout]?.script ?? new Uint8Array()
  const lock = readLock(script)
  if (lock === undefined) return sha256Hex(script)
  return toHex(lock.kind === 'token' ? lock.key : lock.keyHash)
}

export type MinedDoubleSpend = {
  readonly txid: string
  readonly proof: Bump
  readonly beef: Uint8Array
  readonly topics: readonly string[]
}

/** Those of the kept ones that the network has mined after all, instead of ours. */
export async function findMinedDoubleSpends({
  db,
  chain,
}: {
  db: Queryable
  chain: Pick<Chain, 'statusOf'>
}): Promise<MinedDoubleSpend[]> {
  const kept = await db.query<{ txid: string }>({
    text: `select encode(txid, 'hex') as txid from double_spends order by seen_ms`,
  })
  const statuses = await chain.statusOf(kept.rows.map(({ txid }) => txid))
  const mined = [...statuses].flatMap(([txid, status]) => (status.kind === 'mined' ? [txid] : []))
  const { rows } = await db.query<{ txid: string; beef: Buffer; topics: string[] }>({
    text: `select encode(txid, 'hex') as txid, beef, topics from double_spends where txid = any ($1) order by seen_ms`,
    values: [byteas(mined)],
  })
  return rows.flatMap(row => {
    const status = statuses.get(row.txid)
    return status?.kind === 'mined' ? [{ ...row, proof: status.proof }] : []
  })
}

export async function forgetDoubleSpend(txid: string, db: Queryable): Promise<void> {
  await db.query({ text: 'delete from double_spends where txid = $1', values: [bytea(txid)] })
}

/** Where what they were refused for is in a block so deep, the network will not come back to them. */
export async function forgetSettledDoubleSpends(belowHeight: number, db: Queryable): Promise<void> {
  await db.query({
    text: `delete from double_spends using transactions
      where transactions.txid = double_spends.against and proof_height < $1`,
    values: [belowHeight],
  })
}
