import type { HeardCertificate } from '../../certify/ports.ts'
import { baseTopics } from '../../contract/names.ts'
import { quorums } from '../../core/level.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import { keepStates } from './keep-states.ts'
import { type LockedRound, lockRound, type SettleDeps } from './lock-round.ts'
import { proveCertificate } from './move-certificate.ts'

/**
 * The network has it. Certified and anchored are written together: before, a certificate that is refused could still
 * end in a split.
 */
export async function anchorCertificate(
  { txid, roundId, standing }: HeardCertificate,
  { pool, nowMs, onCertified }: AnchorDeps,
): Promise<'written' | 'lost'> {
  let sealedMs: readonly number[] = []
  const outcome = await inTransaction<'written' | 'lost'>(
    pool,
    async db => {
      const round = await lockRound(db, roundId)
      if (round === undefined) return 'lost'
      const counted = await countMembers(db, txid, round, nowMs)
      if (counted.length === 0) return 'lost'
      sealedMs = await writeStates(db, txid, counted, nowMs)
      if (round.template === 'aggregate') await settleAggregate(db, txid, roundId)
      else await keepStates(db, txid, counted, nowMs)
      if (round.state === 'certifying' && round.lastTx === txid) await endRound(db, roundId, nowMs)
      if (standing === 'mined') await proveCertificate(db, txid, nowMs)
      return 'written'
    },
    { keep: outcome => outcome === 'written' },
  )
  if (outcome === 'written') for (const each of sealedMs) onCertified(nowMs - each)
  return outcome
}

export type AnchorDeps = SettleDeps & {
  /** A packet has its first certificate, so long after it was sealed. */
  onCertified(afterMs: number): void
}

/**
 * Members that are certified by it from now on. One whose packet has another certificate that is alive, or has left the
 * round, is none: the token must be spent, and the round is looked at for that.
 */
async function countMembers(
  db: Queryable,
  txid: string,
  { template, state, lastTx }: LockedRound,
  nowMs: number,
): Promise<string[]> {
  const isLast = state === 'certifying' && lastTx === txid
  await db.query({
    name: 'certify-unseat',
    // What is dead on the network and not yet in our books must not keep a living one out.
    text: `update certificates as other set state = 'dead', dead_ms = $2, dead_why = fuel.last_error
      from certificates as ours, fuel_transactions as fuel
      where ours.txid = $1 and other.packet_id = ours.packet_id and other.txid <> ours.txid
        and other.state in ('anchored', 'proven') and fuel.txid = other.txid and fuel.state = 'dead'`,
    values: [bytea(txid), nowMs],
  })
  const { rows } = await db.query<{ packetId: string; counts: boolean }>({
    name: 'certify-count',
    text: `select encode(ours.packet_id, 'hex') as "packetId",
        not exists (select from certificates as other where other.packet_id = ours.packet_id
          and other.txid <> ours.txid and other.state in ('anchored', 'proven'))
        and case when $2 then $3
          else standing.certificate = ours.txid or ($3 and standing.round_id = ours.round_id
            and standing.status in ('open', 'rebuilding')
            and coalesce(standing.version_id, ours.version_id) = ours.version_id) end as counts
      from certificates as ours
        left join packet_standings as standing on standing.packet_id = ours.packet_id
      where ours.txid = $1 and ours.state in ('written', 'dead')
      order by ours.packet_id for update of ours`,
    values: [bytea(txid), template === 'aggregate', isLast],
  })
  const counted = rows.flatMap(({ packetId, counts }) => (counts ? [packetId] : []))
  const others = rows.length - counted.length
  if (others > 0) await giveBack(db, txid, counted, nowMs)
  await db.query({
    name: 'certify-anchor',
    // One that came back while its packets were on their way elsewhere was not revoked, as nothing stood in its place: now
    // that they have arrived, its round is to look once more.
    text: `with revived as (
        update certificates as other set dead_why = 'another one was anchored after it came back'
          from fuel_transactions as fuel
          where other.packet_id = any ($2) and other.txid <> $1 and other.state = 'dead' and other.dead_why = 'came back'
            and fuel.txid = other.txid and fuel.state in ('seen', 'mined')
      )
      update certificates set state = 'anchored', anchored_ms = coalesce(anchored_ms, $3), dead_ms = null,
        dead_why = null, block_height = null, block_hash = null
      where txid = $1 and packet_id = any ($2)`,
    values: [bytea(txid), byteas(counted), nowMs],
  })
  return counted
}

async function giveBack(
  db: Queryable,
  txid: string,
  counted: readonly string[],
  nowMs: number,
): Promise<void> {
  await db.query({
    text: `update certificates set state = 'dead', dead_ms = $3, dead_why = 'another one stands for its packet'
      where txid = $1 and packet_id <> all ($2) and state = 'written'`,
    values: [bytea(txid), byteas(counted), nowMs],
  })
}

/**
 * Version, parent and states are pinned by the first certificate and stay as they are for every later one. Resolves with
 * when those packets were sealed for which this is the first.
 */
async function writeStates(
  db: Queryable,
  txid: string,
  counted: readonly string[],
  nowMs: number,
): Promise<number[]> {
  const { rows } = await db.query<{ sealedMs: number; isFirst: boolean }>({
    name: 'certify-standings',
    text: `update packet_standings as standing set status = 'certified', certificate = $1,
        parent_packet_id = case when standing.version_id is null
          then decode(assay ->> 'parent', 'hex') else parent_packet_id end,
        parent_version_id = case when standing.version_id is null
          then decode(manifest #>> '{lineage,parents,0}', 'hex') else parent_version_id end,
        state_in = case when standing.version_id is null then decode(assay ->> 'stateIn', 'hex') else state_in end,
        state_out = case when standing.version_id is null then decode(assay ->> 'stateOut', 'hex') else state_out end,
        version_id = coalesce(standing.version_id, ours.version_id), changed_ms = $3
      from (select certificates.packet_id, version_id, manifest::jsonb, manifest::jsonb #> '{provenance,assay}' as assay,
            (select before.version_id from packet_standings as before
              where before.packet_id = certificates.packet_id) is null as is_first
          from certificates join dlm_versions using (version_id)
          where txid = $1 and certificates.packet_id = any ($2)) as ours (packet_id, version_id, manifest, assay, is_first)
      where standing.packet_id = ours.packet_id
      returning standing.sealed_ms as "sealedMs", ours.is_first as "isFirst"`,
    values: [bytea(txid), byteas(counted), nowMs],
  })
  await db.query({
    name: 'certify-packet-states',
    text: packetStates,
    values: [
      bytea(txid),
      byteas(counted),
      nowMs,
      [baseTopics.certified, baseTopics.certify],
      JSON.stringify(quorums),
    ],
  })
  return rows.flatMap(({ sealedMs, isFirst }) => (isFirst ? [sealedMs] : []))
}

/**
 * What a reader of an event sees. Who agreed is read off the answers that the certificate spends. Which hosts have it
 * is counted when somebody asks: others answer later.
 */
const packetStates = `
  insert into packet_states as known (partition_id, packet_no, state, ingested_at, content_hash, version_id,
      certification_evidence, overlay_distribution, processed_at, certified_at, changed_at)
    select standing.partition_id, standing.packet_no, 'anchored', (manifest.said #>> '{provenance,createdAt}')::timestamptz,
        manifest.content_hash, ours.version_id,
        jsonb_build_object('roundId', encode(ours.round_id, 'hex'), 'txid', encode(ours.txid, 'hex'),
          'level', ours.level, 'operators', coalesce(agreed.operators, '[]'), 'agreeing', coalesce(agreed.count, 0),
          'wanted', ($5::jsonb #>> array[ours.level, 'agreeing'])::int,
          'of', ($5::jsonb #>> array[ours.level, 'seats'])::int),
        jsonb_build_object('topics', $4::text[], 'publishedAt', to_char(to_timestamp($3::bigint / 1000.0) at time zone 'UTC',
          'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
        to_timestamp($3::bigint / 1000.0), to_timestamp($3::bigint / 1000.0), to_timestamp($3::bigint / 1000.0)
      from certificates as ours
        join packet_standings as standing using (packet_id)
        join lateral (select content_hash, manifest::jsonb as said from dlm_versions
          where dlm_versions.version_id = ours.version_id) as manifest on true
        join rounds as round on round.round_id = ours.round_id
        left join lateral (
          select count(distinct result.operator)::int as count,
              jsonb_agg(distinct encode(result.operator, 'hex')) as operators
            from outcomes join round_results as result on result.txid = outcomes.result_tx
            where result.job_tx = round.job_tx and result.status = 'completed' and outcomes.packet_id = ours.packet_id
              and outcomes.leaf = ours.version_id
              and (round.decision is null or round.decision -> 'spends' ? encode(result.txid, 'hex'))) as agreed on true
      where ours.txid = $1 and ours.packet_id = any ($2)
      order by standing.partition_id, standing.packet_no
    on conflict (partition_id, packet_no) do update set state = excluded.state, orchestration = 'quorum',
      content_hash = excluded.content_hash,
      version_id = excluded.version_id, certification_evidence = excluded.certification_evidence,
      overlay_distribution = excluded.overlay_distribution, last_error = null,
      processed_at = coalesce(known.processed_at, excluded.processed_at),
      certified_at = coalesce(known.certified_at, excluded.certified_at), changed_at = excluded.changed_at`

async function settleAggregate(db: Queryable, txid: string, roundId: string): Promise<void> {
  await db.query({
    text: `update aggregates set state = 'certified',
        version_id = (select version_id from certificates where txid = $1 limit 1)
      where aggregate_id = $2`,
    values: [bytea(txid), bytea(roundId)],
  })
}

async function endRound(db: Queryable, roundId: string, nowMs: number): Promise<void> {
  await db.query({
    name: 'certify-end',
    text: `with ended as (
        update rounds set state = 'over', in_flight = false, over_ms = $2, coordinator = null, lease_until_ms = 0
          where round_id = $1 returning job_tx
      ), job as (
        update round_jobs set outcome = 'certified', decided_ms = coalesce(decided_ms, $2)
          from ended where round_jobs.txid = ended.job_tx
      )
      update round_seats set state = 'completed', completed_ms = coalesce(completed_ms, $2)
        from ended where round_seats.job_tx = ended.job_tx and round_seats.state in ('queued', 'running')`,
    values: [bytea(roundId), nowMs],
  })
}
