import type { Queryable } from '../postgres/sql.ts'

/** An agent's other spend may show up after the certificate's death: it is looked for so long. */
const LOOKED_FOR_MS = 60 * 60_000

/**
 * Names the agents that took back an answer which a certificate, or a step before it, was built on: their seat is spent
 * by another transaction of theirs, since nobody else can spend it. Written once, however often it is asked for.
 */
export async function writeDoubleSpends(db: Queryable): Promise<void> {
  await db.query({
    name: 'certify-double-spends',
    text: `with lost as (
        select distinct round_id, txid from certificates
          where state = 'dead' and dead_ms > (extract(epoch from now()) * 1000)::bigint - ${LOOKED_FOR_MS}
      ), answers as (
        select lost.txid as certificate, result.*, job.round_id as of_round, job.stage
          from lost join round_jobs as job using (round_id) join round_results as result on result.job_tx = job.txid
      ), taken as (
        select answers.*, coin.spender as rival from answers
          join coins as coin on coin.txid = answers.job_tx and coin.vout = answers.vout
          where coin.spender <> answers.txid
        union all
        select answers.*, double.txid from answers join double_spends as double on double.against = answers.txid
        union all
        -- Where only the network has the other one, all there is of it is what the network said when it refused ours.
        select answers.*, decode(substring(evicted.reason from
            encode(answers.txid, 'hex') || ' spends a coin that ([0-9a-f]{64}) spent first'), 'hex')
          from answers join evicted using (txid)
          where evicted.reason like '%' || encode(answers.txid, 'hex') || ' spends a coin that %'
      )
      insert into evidence (kind, digest, operator, agent_key, round_id, stage, txids, detail, seen_ms)
        select distinct on (txid, rival) 'double-spend', sha256('double-spend'::bytea || txid || rival), operator, agent_key,
            of_round, stage, array[txid, rival], jsonb_build_object('certificate', encode(certificate, 'hex')),
            (extract(epoch from now()) * 1000)::bigint
          from taken
          -- Two answers of one seat are evidence of another kind, and are written where they are seen.
          where not exists (select from round_results as other where other.txid = taken.rival)
            and not exists (select from evidence as known
              where known.digest = sha256('double-spend'::bytea || taken.txid || taken.rival))
        on conflict (digest) do nothing`,
    values: [],
  })
}
