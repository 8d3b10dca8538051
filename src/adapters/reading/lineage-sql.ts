import { readableSql } from './readable.ts'

/**
 * Joins `asked (version_id)` with what is known of each: `version`, where it is ours or declared, and else `theirs`, a
 * certificate of somebody else's that its manifest came along with. One that was indexed before its parents were is not
 * known until a reindex: without them nobody could say what it descends from.
 */
export const knownVersions = `
  left join dlm_versions as version on version.version_id = asked.version_id
  left join lateral (
    select listed.txid as foreign_tx, listed.parents from gitdata_certificates as listed
      where listed.version_id = asked.version_id and listed.parents is not null and version.version_id is null
      order by listed.admitted_ms, listed.txid limit 1) as theirs on true`

/** Of the partition that a version of ours is about, a packet's or an aggregate's. */
const partitionOf = `coalesce(
  (select partition_id from packets where packets.packet_id = version.packet_id),
  (select partition_id from aggregates where aggregates.aggregate_id = version.packet_id))`

/**
 * Whether it may be known of: what is ours as its stream may be read; what others declare or certify, by everybody. `first`
 * is the number of the reader's first parameter.
 */
export function mayBeKnown(first: number): string {
  return `case when version.standing = 'certified' then exists (
      select from partitions join streams as stream using (stream_id)
        where partitions.id = ${partitionOf} and ${readableSql('stream', first)})
    else theirs.foreign_tx is not null or version.version_id is not null end`
}

/** Joins `asked (version_id)` with the log that answers for it, where it is ours: `own.log`, else null. */
export const ownLog = `
  left join lateral (
    select opened.log from dlm_versions as version join partitions as opened on opened.id = ${partitionOf}
      where version.version_id = asked.version_id and version.standing = 'certified') as own on true`

/**
 * Certificates that say that they take the place of `asked.version_id`. Only who has certified a version may say so: of
 * what is ours, our log.
 */
export const successorsOf = `
  select after.version_id, after.admitted_ms, after.txid, after.vout from gitdata_certificates as after
    where after.supersedes = asked.version_id and after.version_id <> asked.version_id and after.spent_by is null
      and case when own.log is not null then after.coordinator = own.log
        else exists (select from gitdata_certificates as before
          where before.version_id = asked.version_id and before.coordinator = after.coordinator) end`

/**
 * What carries `asked.version_id`: certificates, and declarations where it is not ours. Anybody may certify anything, so
 * of what is ours only our log's certificates count, and beside others' a declaration goes on to count.
 */
export const carriersOf = `
  select certificate.txid, certificate.vout - 1 as vout, certificate.written_ms as since_ms,
      case when listed.spent_by is not null and certificate.state in ('anchored', 'proven') then 'revoked'
        else certificate.state end as state,
      coalesce(certificate.revoked_by, listed.spent_by) as revoked_by, coalesce(listed.coordinator, own.log) as coordinator
    from certificates as certificate
      left join gitdata_certificates as listed on listed.txid = certificate.txid and listed.vout = certificate.vout
    where certificate.version_id = asked.version_id
  union all
  select listed.txid, listed.vout - 1, listed.admitted_ms,
      case when listed.spent_by is not null then 'revoked' when stored.proof is not null then 'proven'
        else 'anchored' end,
      listed.spent_by, listed.coordinator
    from gitdata_certificates as listed join transactions as stored on stored.txid = listed.txid
    where listed.version_id = asked.version_id and (own.log is null or listed.coordinator = own.log)
      and not exists (select from certificates as certificate where certificate.txid = listed.txid)
  union all
  select declaration.txid, declaration.vout, declaration.declared_ms, 'declared', null, null
    from declarations as declaration
    where declaration.version_id = asked.version_id and declaration.kind = 'DLM1' and own.log is null`

/** Proofs of `carrier.txid`, as they are stored by whoever has to do with it. */
export const proofsOf = `
  select ours.proof, null::jsonb as envelope, ours.proof_height as height, encode(ours.proof_root, 'hex') as root
    from fuel_transactions as ours where ours.txid = carrier.txid and ours.proof is not null
  union
  select stored.proof, null, stored.proof_height, encode(stored.proof_root, 'hex')
    from transactions as stored where stored.txid = carrier.txid and stored.proof is not null
  union
  select null, declaration.envelope -> 'proof', (declaration.envelope #>> '{block,blockHeight}')::bigint,
      declaration.envelope #>> '{proof,merkleRoot}'
    from declarations as declaration where declaration.txid = carrier.txid and declaration.envelope is not null`

/** Those that prove something first, of these the declaration of what is only declared, and then what was written last. */
export const bestFirst = `state in ('revoked', 'dead', 'written'), height is null,
  case state when 'declared' then 0 when 'proven' then 1 when 'anchored' then 2 else 3 end,
  height desc nulls last, since_ms desc, txid`
