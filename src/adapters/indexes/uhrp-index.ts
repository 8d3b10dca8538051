import type { Pool } from 'pg'
import type { UhrpIndex, UhrpQuery } from '../../../lookup-services/uhrp-index.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { writeWithAdmission } from '../overlay/index-writes.ts'
import { bytea } from '../postgres/sql.ts'
import { notBanned } from './not-banned.ts'
import { outputWrites, type Resettable } from './output-writes.ts'

export type PostgresUhrpIndex = UhrpIndex & Resettable

/** Its writes take effect with the admission that is being judged. */
export function postgresUhrpIndex(pool: Pool, questions = pool): PostgresUhrpIndex {
  return {
    async put({ txid, vout, hash, hostIdentityKey, url, origin, expirySeconds, size }) {
      const said = { hash, host_identity_key: hostIdentityKey, url, origin, expires_s: expirySeconds, size }
      writeWithAdmission({ index, sql: record, row: { txid, vout, ...said } })
    },
    ...outputWrites(pool, index),
    async find(query) {
      const { rows } = await questions.query<Outpoint>(findStatement(query))
      return rows
    },
  }
}

const index = 'uhrp_adverts'

const record = `
  insert into uhrp_adverts (txid, vout, hash, host_identity_key, url, origin, expires_s, size, admitted_ms)
  select decode(txid, 'hex'), vout, decode(hash, 'hex'), decode(host_identity_key, 'hex'), url, origin, expires_s, size,
    $now::bigint
  from jsonb_to_recordset($rows::jsonb) as given (txid text, vout bigint, hash text, host_identity_key text, url text,
    origin text, expires_s bigint, size bigint)
  order by 1, 2
  on conflict (txid, vout) do nothing`

export function findStatement(query: UhrpQuery): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const { hash, hostIdentityKey, outpoint, expirySecondsMin, limit, skip } = query
  const conditions = [`listed.expires_s >= ${given(expirySecondsMin)}`, mayAnswer('listed')]
  if (hash !== undefined) conditions.push(`listed.hash = ${given(bytea(hash))}`)
  if (hostIdentityKey !== undefined)
    conditions.push(`listed.host_identity_key = ${given(bytea(hostIdentityKey))}`)
  if (outpoint === undefined) conditions.push(noneLastsLonger)
  else
    conditions.push(`listed.txid = ${given(bytea(outpoint.txid))} and listed.vout = ${given(outpoint.vout)}`)
  const text = `select encode(listed.txid, 'hex') as txid, listed.vout from uhrp_adverts as listed
    where ${conditions.join(' and ')}
    order by listed.expires_s desc, listed.txid desc, listed.vout desc limit ${given(limit)} offset ${given(skip)}`
  return { text, values }
}

function mayAnswer(advert: string): string {
  return notBanned(advert, [`${advert}.origin`])
}

const noneLastsLonger = `not exists (
      select from uhrp_adverts as longer
        where longer.host_identity_key = listed.host_identity_key and longer.hash = listed.hash
          and longer.url = listed.url
          and (longer.expires_s, longer.txid, longer.vout) > (listed.expires_s, listed.txid, listed.vout)
          and ${mayAnswer('longer')})`
