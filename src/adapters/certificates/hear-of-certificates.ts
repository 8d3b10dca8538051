import type { HeardCertificate } from '../../certify/ports.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** Heard of at once; the rest at the next look. */
const HEARD_MAX = 64
/** What was recorded dead may come back for so long: after that no reorganisation reaches it. */
const DEAD_ASKED_MS = 24 * 60 * 60_000

type Heard = Omit<HeardCertificate, 'why'> & { readonly why: string | null }

/** Of the block of this height on the best chain; null where this node does not keep the header. */
export function ofBestBlock(column: 'hash' | 'header', height: string): string {
  return `coalesce((select ${column} from chain_blocks where best and height = ${height}),
    (select ${column} from headers where best and height = ${height}))`
}

const columns = `encode(certificate.txid, 'hex') as txid, encode(certificate.round_id, 'hex') as "roundId",
  case when fuel.state in ('mined', 'dead') then fuel.state else 'seen' end as standing,
  fuel.last_error as why`

/** Written, and the network has them or will not have them. */
export async function hearOfCertificates(
  db: Queryable,
  without: readonly string[],
): Promise<HeardCertificate[]> {
  return read(db, {
    name: 'certify-heard',
    text: `select distinct on (certificate.written_ms, certificate.txid) ${columns},
        case fuel.state when 'dead' then 'lost' else 'arrived' end as news
      from certificates as certificate join fuel_transactions as fuel using (txid)
      where certificate.state = 'written' and fuel.state <> 'stored' and certificate.txid <> all ($1::bytea[])
      order by certificate.written_ms, certificate.txid limit ${HEARD_MAX}`,
    values: [byteas(without)],
  })
}

/** Each by itself: of many transactions these are few, whatever the planner takes them for. */
const withFuel = `cross join lateral
  (select state, last_error, proof_height from fuel_transactions where txid = certificate.txid limit 1) as fuel`

/**
 * Those that had come to rest, and on which there is something new. `aboveHeight`: where blocks may have changed that are
 * not kept here.
 */
export async function hearOfUnsettled(
  db: Queryable,
  aboveHeight: number,
  without: readonly string[],
): Promise<HeardCertificate[]> {
  const parts = [
    `(select distinct on (txid) txid, round_id from certificates where state = 'anchored' order by txid offset 0)
      as certificate ${withFuel} where fuel.state in ('mined', 'dead')`,
    `fuel_transactions as fuel cross join lateral (select txid, round_id from certificates
      where txid = fuel.txid and state = 'proven' limit 1) as certificate where fuel.proof is null`,
    // Blocks that others have taken the place of are kept, and are few.
    ...['chain_blocks', 'headers'].map(
      table => `(select hash from ${table} where not best offset 0) as replaced
        cross join lateral (select distinct on (txid) txid, round_id from certificates
          where block_hash = replaced.hash and state = 'proven' order by txid) as certificate
        ${withFuel} where true`,
    ),
    `(select distinct on (txid) txid, round_id, block_height from certificates
        where state = 'proven' and block_hash is null and block_height > $2::bigint order by txid offset 0)
      as certificate ${withFuel} where certificate.block_height is distinct from fuel.proof_height`,
  ].map(
    from => `(select ${columns}, case fuel.state when 'dead' then 'lost' else 'moved' end as news
      from ${from} and certificate.txid <> all ($1::bytea[]) limit ${HEARD_MAX})`,
  )
  const heard = await read(db, {
    name: 'certify-unsettled',
    // What two of them say of one certificate is the same.
    text: parts.join(' union '),
    values: [byteas(without), aboveHeight],
  })
  return [...heard, ...(await hearOfRevived(db, without))]
}

/** Dead in our books, and alive on the network: it counts again where its packet stands by it, and must not elsewhere. */
async function hearOfRevived(db: Queryable, without: readonly string[]): Promise<HeardCertificate[]> {
  return read(db, {
    name: 'certify-revived',
    text: `select distinct on (certificate.txid) ${columns.replace('fuel.last_error', `'it came back'::text`)},
        case when standing.certificate = certificate.txid then 'arrived' else 'lost' end as news
      from certificates as certificate join fuel_transactions as fuel using (txid)
        join rounds as round using (round_id)
        left join packet_standings as standing on standing.packet_id = certificate.packet_id
          and standing.certificate = certificate.txid
      where certificate.state = 'dead' and fuel.state in ('seen', 'mined') and certificate.txid <> all ($1::bytea[])
        and certificate.written_ms > (extract(epoch from now()) * 1000)::bigint - ${DEAD_ASKED_MS}
        -- Once somebody was told, that one has to look first.
        and (standing.certificate is not null or (round.state = 'over' and certificate.dead_why is distinct from 'came back'))
      order by certificate.txid, standing.certificate nulls last limit ${HEARD_MAX}`,
    values: [byteas(without)],
  })
}

async function read(
  db: Queryable,
  query: { readonly name?: string; readonly text: string; readonly values: readonly unknown[] },
): Promise<HeardCertificate[]> {
  const { rows } = await db.query<Heard>({ ...query, values: [...query.values] })
  return rows.map(({ why, ...row }) => ({ ...row, why: why ?? undefined }))
}
