import type { HeardCertificate } from '../../certify/ports.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { lockRound, type SettleDeps } from './lock-round.ts'

/**
 * It is dead, or has come back where it must not count. What becomes of its packets the round decides, which is to be
 * looked at; until then they are certified without an anchor.
 */
export async function loseCertificate(
  { txid, roundId, standing }: HeardCertificate,
  why: string,
  { pool, nowMs }: SettleDeps,
): Promise<'written' | 'lost'> {
  return inTransaction(
    pool,
    async db => {
      const round = await lockRound(db, roundId)
      if (round === undefined) return 'lost'
      if (standing === 'dead') {
        if (!(await bury(db, txid, why, nowMs))) return 'lost'
      } else if (!(await noteReturn(db, txid))) return 'lost'
      await handBack(db, roundId, txid, standing === 'dead' ? why : `${txid} came back`)
      return 'written'
    },
    { keep: outcome => outcome === 'written' },
  )
}

async function bury(db: Queryable, txid: string, why: string, nowMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'certify-bury',
    text: `with buried as (
        update certificates set state = 'dead', dead_ms = $2, dead_why = $3, block_height = null, block_hash = null
          where txid = $1 and state in ('written', 'anchored', 'proven') returning packet_id
      ), shown as (
        update packet_states as known set state = 'certified', last_error = $3,
            changed_at = to_timestamp($2::bigint / 1000.0)
          from packet_standings as standing join buried using (packet_id)
          where standing.certificate = $1 and known.partition_id = standing.partition_id
            and known.packet_no = standing.packet_no and known.state in ('anchored', 'proven')
      )
      select from buried`,
    values: [bytea(txid), nowMs, keptText(why)],
  })
  return (rowCount ?? 0) > 0
}

/** Said once: whoever looks at the round then has all it needs. */
async function noteReturn(db: Queryable, txid: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `update certificates set dead_why = 'came back' where txid = $1 and state = 'dead'
      and dead_why is distinct from 'came back'`,
    values: [bytea(txid)],
  })
  return (rowCount ?? 0) > 0
}

/** Not where the round has gone on since: then another transaction is its last. */
async function handBack(db: Queryable, roundId: string, txid: string, why: string): Promise<void> {
  await db.query({
    name: 'certify-hand-back',
    text: `update rounds set state = 'lost', in_flight = false, over_ms = null, coordinator = null, lease_until_ms = 0,
        last_error = $3
      where round_id = $1 and (state = 'over' or (state = 'certifying' and last_tx = $2))`,
    values: [bytea(roundId), bytea(txid), keptText(why)],
  })
}
