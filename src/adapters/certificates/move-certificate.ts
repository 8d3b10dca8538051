import type { HeardCertificate } from '../../certify/ports.ts'
import { rootOf } from '../chain/block.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { ofBestBlock } from './hear-of-certificates.ts'
import { lockRound, type SettleDeps } from './lock-round.ts'

/** A block has it, or another block, or none any more. What fuel knows of it when this is written is what counts. */
export async function moveCertificate(
  { txid, roundId }: HeardCertificate,
  { pool, nowMs }: SettleDeps,
): Promise<'written' | 'lost'> {
  return inTransaction(pool, async db => {
    if ((await lockRound(db, roundId)) === undefined) return 'lost'
    const { rows } = await db.query<{ state: string }>({
      name: 'certify-fuel-state',
      text: 'select state from fuel_transactions where txid = $1',
      values: [bytea(txid)],
    })
    const state = rows[0]?.state
    if (state === 'dead') return 'lost'
    if (state === 'mined' && (await proveCertificate(db, txid, nowMs))) return 'written'
    return unprove(db, txid, nowMs)
  })
}

/**
 * In a block, where no double spend reaches it: a later loss is a new one. A proof that leads to a block of before, as
 * the chain was reorganised and fuel has not heard of it, proves nothing.
 */
export async function proveCertificate(db: Queryable, txid: string, nowMs: number): Promise<boolean> {
  const block = await provingBlock(db, txid)
  if (block === undefined) return false
  // Asked for its proof again: who moves what is fuel's takes no lock of the round.
  const { rowCount } = await db.query({
    name: 'certify-prove',
    text: `with proven as (
        update certificates set state = 'proven', block_height = fuel.proof_height,
            block_hash = $3, proven_ms = $2
          from fuel_transactions as fuel
          where certificates.txid = $1 and fuel.txid = $1 and fuel.proof_height = $4 and fuel.proof_root = $5
            and certificates.state in ('anchored', 'proven')
          returning packet_id
      ), stated as (
        update aggregates set rebuilds = 0 from proven where aggregate_id = proven.packet_id
      ), settled as (
        update packet_standings as standing set rebuilds = 0, changed_ms = $2 from proven
          where standing.packet_id = proven.packet_id and standing.certificate = $1
          returning standing.partition_id, standing.packet_no
      ), shown as (
        update packet_states as known set state = 'proven', changed_at = to_timestamp($2::bigint / 1000.0) from settled
          where known.partition_id = settled.partition_id and known.packet_no = settled.packet_no
            and known.state = 'anchored'
      )
      select from proven`,
    values: [bytea(txid), nowMs, block.hash, block.height, block.root],
  })
  return (rowCount ?? 0) > 0
}

/** Where its proof leads to; without a hash where this node keeps no headers from so far back. */
async function provingBlock(
  db: Queryable,
  txid: string,
): Promise<{ readonly height: number; readonly root: Buffer; readonly hash: Buffer | null } | undefined> {
  const { rows } = await db.query<{
    height: number
    root: Buffer
    hash: Buffer | null
    header: Buffer | null
    isKept: boolean
  }>({
    name: 'certify-proving-block',
    text: `select proof_height as height, proof_root as root, ${ofBestBlock('hash', 'proof_height')} as hash,
        ${ofBestBlock('header', 'proof_height')} as header,
        exists (select from chain_blocks where best and height < proof_height)
          or exists (select from headers where best and height < proof_height) as "isKept"
      from fuel_transactions where txid = $1 and proof is not null`,
    values: [bytea(txid)],
  })
  const [found] = rows
  if (found === undefined) return undefined
  const { header, root, isKept } = found
  if (header === null) return isKept ? undefined : found
  return rootOf(header) === root.toString('hex') ? found : undefined
}

async function unprove(db: Queryable, txid: string, nowMs: number): Promise<'written' | 'lost'> {
  const { rowCount } = await db.query({
    name: 'certify-unprove',
    text: `with unproven as (
        update certificates set state = 'anchored', block_height = null, block_hash = null, proven_ms = null
          where txid = $1 and state = 'proven' returning packet_id
      ), settled as (
        select partition_id, packet_no from packet_standings join unproven using (packet_id) where certificate = $1
      ), shown as (
        update packet_states as known set state = 'anchored', changed_at = to_timestamp($2::bigint / 1000.0) from settled
          where known.partition_id = settled.partition_id and known.packet_no = settled.packet_no
            and known.state = 'proven'
      )
      select from unproven`,
    values: [bytea(txid), nowMs],
  })
  return (rowCount ?? 0) > 0 ? 'written' : 'lost'
}
