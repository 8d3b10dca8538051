import { bytea, type Queryable } from '../postgres/sql.ts'

/**
 * Names the agents that took back an answer which this certificate, or a step before it, was built on: their seat is
 * spent by another transaction of theirs, since nobody else can spend it.
 */
export async function writeDoubleSpends(
  db: Queryable,
  certificateTxid: string,
  nowMs: number,
): Promise<void> {
  await db.query({
    name: 'certify-double-spends',
    text: `with taken as (
        select result.txid as ours, coin.spender as rival, result.agent_key, result.operator, job.round_id, job.stage
          from certificates as certificate
            join round_jobs as job on job.round_id = certificate.round_id
            join round_results as result on result.job_tx = job.txid
            join coins as coin on coin.txid = result.job_tx and coin.vout = result.vout
          where certificate.txid = $1 and coin.spender <> result.txid
            -- Two answers of one seat are evidence of another kind, and are written where they are seen.
            and not exists (select from round_results as other where other.txid = coin.spender)
      )
      insert into evidence (kind, digest, operator, agent_key, round_id, stage, txids, detail, seen_ms)
        select distinct 'double-spend', sha256('double-spend'::bytea || ours || rival), operator, agent_key, round_id,
            stage, array[ours, rival], jsonb_build_object('certificate', encode($1::bytea, 'hex')), $2::bigint
          from taken
        on conflict (digest) do nothing`,
    values: [bytea(certificateTxid), nowMs],
  })
}
