import type { Pool } from 'pg'
import type { HostAdvertsIndex, HostAdvertsQuery } from '../../../lookup-services/host-adverts-index.ts'
import type { HostAdvertKind } from '../../contract/host-advert.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { byAdmission } from './conditions.ts'
import { notBanned } from './not-banned.ts'
import { outputWrites } from './output-writes.ts'

export type PostgresHostAdvertsIndex = HostAdvertsIndex & {
  /**
   * Hosts that say they host this topic and that nobody has banned and that have not fallen silent, each once: the
   * latest first, and of very many also those that have been there the longest.
   */
  hostsOf(topic: string): Promise<AdvertisedHost[]>
  /** A page of all adverts, banned ones and repetitions included, the latest first. */
  listRecords(page: RecordsPage): Promise<{ records: HostRecord[]; total: number }>
  /** The host that an admitted advert names. */
  domainOf(txid: string, vout: number): Promise<string | undefined>
  /** Resolves once the index of this kind is empty, to be filled again from admitted outputs. */
  reset(kind: HostAdvertKind): Promise<void>
}

/** Who says of itself, by a SHIP advert that stands, that it hosts a topic; `domain` as the advert spells it. */
export type AdvertisedHost = Outpoint & { readonly identityKey: string; readonly domain: string }

export type RecordsPage = {
  readonly kind: HostAdvertKind
  readonly offset: number
  readonly limit: number
  /** Part of a domain, a name, an identity key or a txid. */
  readonly search?: string | undefined
}

export type HostRecord = {
  readonly txid: string
  readonly outputIndex: number
  readonly identityKey: string
  readonly domain: string
  /** Of the topic, or of the lookup service. */
  readonly name: string
  /** When it was admitted. */
  readonly createdMs: number
}

/** After so many checks in a row without an answer, a host is left out of what this node tells others. */
export const HOST_FAILURES_MAX = 3
/** More hosts than this are no help to anybody who wants to tell one of them. */
export const HOSTS_OF_TOPIC_MAX = 1000

/** Its writes take effect with the admission that is being judged. */
export function postgresHostAdvertsIndex(pool: Pool, questions = pool): PostgresHostAdvertsIndex {
  return {
    async put({ txid, vout, kind, identityKey, domain, base, name }) {
      const row = { txid, vout, kind, identity_key: identityKey, domain, base, name }
      writeWithAdmission({ index, sql: record, row })
    },
    ...outputWrites(pool, index),
    async find(query) {
      const { rows } = await questions.query<Outpoint>(findStatement(query))
      return rows.map(({ txid, vout }) => ({ txid, vout }))
    },
    async hostsOf(topic) {
      const half = HOSTS_OF_TOPIC_MAX / 2
      const query = { kind: 'SHIP', names: [topic], limit: half, skip: 0 } as const
      // Whoever makes a thousand adverts must not push out those who were there before.
      const found = await Promise.all(
        (['desc', 'asc'] as const).map(order =>
          pool.query<AdvertisedHost>(findStatement({ ...query, order })),
        ),
      )
      const hosts = found.flatMap(({ rows }) =>
        rows.map(({ identityKey, domain, txid, vout }) => ({ identityKey, domain, txid, vout })),
      )
      return [...new Map(hosts.map(host => [`${host.txid}.${host.vout}`, host])).values()]
    },
    async listRecords({ kind, offset, limit, search = '' }) {
      const [records, counted] = await Promise.all([
        pool.query<HostRecord>(listing, [kind, search, limit, offset]),
        pool.query<{ total: number }>(counting, [kind, search]),
      ])
      return {
        records: records.rows,
        total: counted.rows[0]?.total ?? 0,
      }
    },
    async domainOf(txid, vout) {
      const { rows } = await pool.query<{ domain: string }>(
        'select domain from host_adverts where txid = $1 and vout = $2',
        [bytea(txid), vout],
      )
      return rows[0]?.domain
    },
    async reset(kind) {
      await pool.query('delete from host_adverts where kind = $1', [kind])
    },
  }
}

const index = 'host_adverts'

const record = `
  insert into host_adverts (txid, vout, kind, identity_key, domain, base, name, admitted_ms)
  select decode(txid, 'hex'), vout, kind, decode(identity_key, 'hex'), domain, base, name, $now::bigint
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, kind text, identity_key text, domain text,
    base text, name text)
  order by 1, 2
  on conflict (txid, vout) do nothing`

/** Only what may answer itself makes an earlier one redundant: the operator may have banned the later one alone. */
export function findStatement(query: HostAdvertsQuery): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const { kind, identityKey, base, names, order, limit, skip } = query
  const conditions = [`listed.kind = ${given(kind)}`, mayAnswer('listed')]
  if (identityKey !== undefined) conditions.push(`listed.identity_key = ${given(bytea(identityKey))}`)
  if (base !== undefined) conditions.push(`listed.base = ${given(base)}`)
  if (names !== undefined) conditions.push(`listed.name = any (${given(names)}::text[])`)
  const text = `select encode(listed.txid, 'hex') as txid, listed.vout, encode(identity_key, 'hex') as "identityKey", domain
    from host_adverts as listed
    where ${conditions.join(' and ')} and not exists (
      select from host_adverts as later
        where later.kind = listed.kind and later.identity_key = listed.identity_key and later.base = listed.base
          and later.name = listed.name
          and (later.admitted_ms, later.txid, later.vout) > (listed.admitted_ms, listed.txid, listed.vout)
          and ${mayAnswer('later')})
    order by ${byAdmission(order)} limit ${given(limit)} offset ${given(skip)}`
  return { text, values }
}

function mayAnswer(advert: string): string {
  return `${notBanned(advert, [`${advert}.base`, `rtrim(${advert}.domain, '/')`])}
    and not exists (select from host_checks
      where host_checks.domain = ${advert}.base and host_checks.failures >= ${HOST_FAILURES_MAX})`
}

const matching = `
  from host_adverts as listed
  where kind = $1 and ($2 = '' or strpos(lower(domain), lower($2)) > 0 or strpos(name, lower($2)) > 0
    or strpos(encode(identity_key, 'hex'), lower($2)) > 0 or strpos(encode(listed.txid, 'hex'), lower($2)) > 0)`

const listing = `
  select encode(listed.txid, 'hex') as txid, vout as "outputIndex", encode(identity_key, 'hex') as "identityKey",
    domain, name, admitted_ms as "createdMs"
  ${matching}
  order by listed.admitted_ms desc, listed.txid desc, listed.vout desc limit $3 offset $4`

const counting = `select count(*) as total ${matching}`
