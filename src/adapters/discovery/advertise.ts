import type { Pool } from 'pg'
import { type HostAdvert, hostAdvertScript, hostAdvertSpendingKey } from '../../contract/host-advert.ts'
import { baseTopics } from '../../contract/names.ts'
import type { Spend } from '../../contract/spend.ts'
import type { Issuer } from '../../contract/tokens.ts'
import type { Output, Transaction } from '../../contract/transaction.ts'
import { u64be } from '../../core/bytes.ts'
import { digestHex } from '../../core/digest.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import type { Fuel } from '../fuel/fuel.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'

export type AdvertiseDeps = {
  readonly pool: Pool
  readonly fuel: Pick<Fuel, 'write' | 'dead'>
  /** Every identity that this node has had, the one in use last: what an old one advertised, it alone withdraws. */
  readonly identities: readonly Issuer[]
  now(): number
}

/** All that others are to find at this host, under one address. */
export function advertsOf(
  { topics, services }: { readonly topics: readonly string[]; readonly services: readonly string[] },
  domain: string,
  identityKey: string,
): HostAdvert[] {
  const said = (kind: HostAdvert['kind'], names: readonly string[]) =>
    names.map(name => ({ kind, name, domain, identityKey }))
  return [...said('SHIP', topics), ...said('SLAP', services)]
}

/**
 * So long nobody may have wanted an advert before it is withdrawn: other nodes of the same database have addresses of
 * their own, and in the middle of an upgrade they host other things.
 */
export const UNWANTED_MS_MAX = 5 * 60_000

export type Advertised = { readonly made: number; readonly withdrawn: number }

/**
 * Makes the adverts that are wanted and not there, and withdraws those that no node wants any more. What is written
 * down here and the transaction that does it are stored together, so a node that is killed has done both or neither.
 */
export async function advertise(
  wanted: readonly HostAdvert[],
  deps: AdvertiseDeps,
): Promise<Outcome<Advertised>> {
  return inTransaction(deps.pool, db => reconcile(wanted, deps, db))
}

/** Where fuel refuses, the rest is kept: what is wanted is still wanted, or other nodes would withdraw it. */
async function reconcile(
  wanted: readonly HostAdvert[],
  deps: AdvertiseDeps,
  db: Queryable,
): Promise<Outcome<Advertised>> {
  // One at a time, or two nodes of one database would both make what is missing.
  await db.query('lock table own_adverts in share row exclusive mode')
  await forgetDead(deps, db)
  const standing = await readStanding(db)
  const missing = wanted.filter(advert => !standing.some(there => isSame(there, advert)))
  const isWanted = (there: HostAdvert) => wanted.some(advert => isSame(there, advert))
  await renew(standing.filter(isWanted), deps, db)
  const superfluous = standing.filter(
    there => !isWanted(there) && isOurs(there, deps) && there.wantedMs < deps.now() - UNWANTED_MS_MAX,
  )
  if (missing.length > 0) {
    const made = await make(missing, deps, db)
    if (!made.ok) return made
  }
  if (superfluous.length > 0) {
    const withdrawn = await withdraw(superfluous, deps, db)
    if (!withdrawn.ok) return withdrawn
  }
  return accepted({ made: missing.length, withdrawn: superfluous.length })
}

/** A node that has not started again since its key was rotated leaves the new key's adverts to those who have. */
function isOurs({ identityKey }: HostAdvert, { identities }: AdvertiseDeps): boolean {
  return identities.some(each => each.identityKey === identityKey)
}

async function renew(adverts: readonly Standing[], { now }: AdvertiseDeps, db: Queryable): Promise<void> {
  await db.query({
    text: 'update own_adverts set wanted_ms = $2 where id = any ($1)',
    values: [adverts.map(({ id }) => id), now()],
  })
}

async function make(
  adverts: readonly HostAdvert[],
  deps: AdvertiseDeps,
  db: Queryable,
): Promise<Outcome<Transaction>> {
  const scripts = adverts.map(({ kind, identityKey, domain, name }) =>
    hostAdvertScript(kind, issuerOf(identityKey, deps), domain, name),
  )
  const ids = await nextIds(adverts.length, db)
  const written = await deps.fuel.write(
    { subject: digestHex('assay:host-adverts:1', ...ids.map(u64be)), stage: 'advertise', rebuild: 0 },
    { spends: [], outputs: scripts.map(toOutput), topics: topicsOf(adverts) },
    db,
  )
  if (!written.ok) return written
  const { txid } = written.value
  for (const [vout, advert] of adverts.entries())
    await db.query({
      text: `insert into own_adverts (id, kind, name, domain, identity_key, txid, vout, script, wanted_ms)
        overriding system value values ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8, $9)`,
      values: [
        ids[vout],
        advert.kind,
        advert.name,
        advert.domain,
        advert.identityKey,
        bytea(txid),
        vout,
        Buffer.from(scripts[vout] ?? []),
        deps.now(),
      ],
    })
  return written
}

async function withdraw(
  adverts: readonly Standing[],
  deps: AdvertiseDeps,
  db: Queryable,
): Promise<Outcome<Transaction>> {
  const ids = adverts.map(({ id }) => id)
  const spends = adverts.map(
    ({ kind, identityKey, txid, vout, script }): Spend => ({
      txid,
      vout,
      spent: toOutput(script),
      privateKey: hostAdvertSpendingKey(kind, issuerOf(identityKey, deps).privateKey),
    }),
  )
  const written = await deps.fuel.write(
    {
      subject: digestHex('assay:host-adverts:1', ...ids.map(u64be)),
      stage: 'withdraw',
      rebuild: Math.max(...adverts.map(({ withdrawals }) => withdrawals)),
    },
    { spends, outputs: [], topics: topicsOf(adverts) },
    db,
  )
  if (!written.ok) return written
  await db.query({
    text: `update own_adverts set withdrawn_ms = $2, withdrawn_by = $3, withdrawals = withdrawals + 1
      where id = any ($1)`,
    values: [ids, deps.now(), bytea(written.value.txid)],
  })
  return written
}

/** What the network has refused, or let go in a reorganisation, neither made nor withdrew anything. */
async function forgetDead({ fuel, now }: AdvertiseDeps, db: Queryable): Promise<void> {
  const { rows } = await db.query<{ txid: string }>(
    `select encode(txid, 'hex') as txid from own_adverts where withdrawn_ms is null or withdrawn_by is not null
      union select encode(withdrawn_by, 'hex') from own_adverts where withdrawn_by is not null`,
  )
  const dead = byteas(
    await fuel.dead(
      rows.map(({ txid }) => txid),
      db,
    ),
  )
  await db.query({
    text: `update own_adverts set withdrawn_by = null, withdrawn_ms = case when txid = any ($1) then $2::bigint end
      where txid = any ($1) or withdrawn_by = any ($1)`,
    values: [dead, now()],
  })
}

type Standing = HostAdvert & {
  readonly id: number
  readonly txid: string
  readonly vout: number
  readonly script: Uint8Array
  readonly withdrawals: number
  readonly wantedMs: number
}

async function readStanding(db: Queryable): Promise<Standing[]> {
  const { rows } = await db.query<Standing & { script: Buffer }>(
    `select id, kind, name, domain, encode(identity_key, 'hex') as "identityKey", encode(txid, 'hex') as txid, vout, script,
      withdrawals, wanted_ms as "wantedMs"
      from own_adverts where withdrawn_ms is null order by id`,
  )
  return rows
}

async function nextIds(count: number, db: Queryable): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>({
    text: `select nextval(pg_get_serial_sequence('own_adverts', 'id')) as id from generate_series(1, $1)`,
    values: [count],
  })
  return rows.map(({ id }) => id)
}

function isSame(a: HostAdvert, b: HostAdvert): boolean {
  return a.kind === b.kind && a.name === b.name && a.domain === b.domain && a.identityKey === b.identityKey
}

function issuerOf(identityKey: string, { identities }: AdvertiseDeps): Issuer {
  const issuer = identities.find(each => each.identityKey === identityKey)
  if (issuer === undefined)
    throw new Error(
      `an advert of ${identityKey} stands, and this node has not got that key: restore it, or withdraw the advert elsewhere`,
    )
  return issuer
}

function toOutput(script: Uint8Array): Output {
  return { satoshis: 1, script }
}

function topicsOf(adverts: readonly HostAdvert[]): string[] {
  const topics = { SHIP: baseTopics.ship, SLAP: baseTopics.slap }
  return [...new Set(adverts.map(({ kind }) => topics[kind]))]
}
