import { bytea, type Queryable } from '../postgres/sql.ts'

/** A certificate of ours that was given up is alive after all: its packets, or its statement, are anchored by it again. */
export async function adoptCertificate(
  db: Queryable,
  roundId: string,
  txid: string,
  nowMs: number,
): Promise<void> {
  await db.query({
    name: 'rounds-adopt',
    text: `with adopted as (
        select standing.packet_id, standing.partition_id, standing.packet_no, member.index
          from round_members as member join packet_standings as standing using (packet_id)
          where member.round_id = $1::bytea and standing.status = 'certified' and standing.certificate = $2::bytea
      ), alive as (
        update certificates as certificate set state = 'anchored', anchored_ms = coalesce(anchored_ms, $3::bigint),
            dead_ms = null, dead_why = null
          from adopted where certificate.txid = $2::bytea and certificate.index = adopted.index
            and certificate.state = 'dead'
      ), stated as (
        update certificates as certificate set state = 'anchored', anchored_ms = coalesce(anchored_ms, $3::bigint),
            dead_ms = null, dead_why = null
          from aggregates as aggregate where aggregate.aggregate_id = $1::bytea and aggregate.state = 'certified'
            and certificate.txid = $2::bytea and certificate.version_id = aggregate.version_id
            and certificate.state = 'dead'
      )
      update packet_states as shown set state = 'anchored', changed_at = to_timestamp($3::bigint / 1000.0)
        from adopted where shown.partition_id = adopted.partition_id and shown.packet_no = adopted.packet_no
          and shown.state = 'certified'`,
    values: [bytea(roundId), bytea(txid), nowMs],
  })
}
