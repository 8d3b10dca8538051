import type { Pool } from 'pg'
import { ADVERT_SATOSHIS } from '../../contract/advert-request.ts'
import { baseTopics } from '../../contract/names.ts'
import type { Transaction } from '../../contract/transaction.ts'
import { digestHex } from '../../core/digest.ts'
import { type Refusal, refused } from '../../core/fault.ts'
import { pause } from '../../runtime/pause.ts'
import type { Fuel } from '../fuel/fuel.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import type { JobBeef } from './job-beef.ts'
import { type AskedAdverts, readAdverts } from './read-adverts.ts'

/** Pays for adverts, where an agent has signed them and has no coins. Of the same scripts there is one transaction. */
export type Sponsor = (scripts: readonly string[]) => Promise<Sponsored>

export type Sponsored =
  /** The overlay and the network have them. */
  | { readonly kind: 'paid'; readonly txid: string; readonly beef: Uint8Array }
  | { readonly kind: 'refused'; readonly outcome: Refusal }
  /** Nobody here answers for its operator. */
  | { readonly kind: 'stranger'; readonly operator: string }
  | { readonly kind: 'over-quota'; readonly retryAfterSeconds: number }
  /** It is under way, or there is no fuel: ask again, with the same scripts. */
  | { readonly kind: 'later'; readonly why: string }

export type SponsorDeps = {
  readonly pool: Pool
  readonly fuel: Pick<Fuel, 'write'>
  readonly beefOf: JobBeef
  readonly allowLocal: boolean
  /** Whose agents are paid for; empty: on `local` anybody's, elsewhere nobody's. */
  readonly operators: readonly string[]
  now(): number
  /** Stops there, in tests. */
  at(step: 'advert.paid'): void
  /** There is another advert. */
  onAdvert(): void
  readonly advertsPerDayMax?: number
  readonly allAdvertsPerDayMax?: number
  readonly seenMsMax?: number
}

/** Of one operator, in 24 hours: about twenty agents that renew theirs every hour. */
export const ADVERTS_PER_DAY_MAX = 1000
/** Of all operators: where anybody’s agents are paid for, keys of operators cost nothing. */
export const ALL_ADVERTS_PER_DAY_MAX = 10_000
/** So long a request waits for the network to have taken what it asked for. */
const SEEN_MS_MAX = 10_000
const LOOK_MS = 20
const DAY_MS = 86_400_000

export function openSponsor(deps: SponsorDeps): Sponsor {
  const { pool, operators, allowLocal, now } = deps
  return async scripts => {
    const asked = readAdverts(scripts, { nowMs: now(), allowLocal })
    if (!asked.ok) return { kind: 'refused', outcome: asked }
    const { operator } = asked.value
    const isListed = operators.length === 0 ? allowLocal : operators.includes(operator)
    if (!isListed) return { kind: 'stranger', operator }
    const subject = digestHex('assay:agent-adverts:1', ...asked.value.adverts.map(({ script }) => script))
    const paid = await inTransaction(pool, db => pay(asked.value, subject, db, deps), {
      // One after the other, so that a quota is one.
      begin: `begin; select pg_advisory_xact_lock(hashtextextended('assay: adverts', 0))`,
      keep: ({ kind }) => kind === 'written',
    })
    if (paid.kind !== 'written') return paid
    deps.at('advert.paid')
    return sent(paid.transaction.txid, deps)
  }
}

type Paid =
  | { readonly kind: 'written'; readonly transaction: Transaction }
  | Exclude<Sponsored, { kind: 'paid' }>

async function pay(asked: AskedAdverts, subject: string, db: Queryable, deps: SponsorDeps): Promise<Paid> {
  const { fuel, now, advertsPerDayMax = ADVERTS_PER_DAY_MAX } = deps
  const { allAdvertsPerDayMax = ALL_ADVERTS_PER_DAY_MAX } = deps
  const earlier = await findEarlier(subject, db)
  if (await hasWithdrawn(asked, db))
    // Scripts are public: who withdraws an advert must not find it put up again by somebody else, in any company.
    return {
      kind: 'refused',
      outcome: refusal('the agent has withdrawn this advert; sign one that expires later'),
    }
  const isNew = earlier === undefined || earlier.isDead
  if (isNew) {
    const quota = await findQuota(asked.operator, now() - DAY_MS, db)
    const waiting = (sinceMs: number) => Math.ceil((sinceMs + DAY_MS - now()) / 1000)
    if (quota.paid + asked.adverts.length > advertsPerDayMax)
      return { kind: 'over-quota', retryAfterSeconds: waiting(quota.oldestMs) }
    if (quota.paidInAll + asked.adverts.length > allAdvertsPerDayMax)
      return { kind: 'over-quota', retryAfterSeconds: waiting(quota.oldestOfAllMs) }
  }
  const rebuild = earlier === undefined ? 0 : earlier.rebuild + Number(earlier.isDead)
  const written = await fuel.write(
    { subject, stage: 'agent-adverts', rebuild },
    {
      spends: [],
      outputs: asked.adverts.map(({ script }) => ({ satoshis: ADVERT_SATOSHIS, script })),
      topics: asked.adverts.length > 1 ? [baseTopics.agents, baseTopics.ship] : [baseTopics.agents],
    },
    db,
  )
  if (!written.ok) return { kind: 'later', why: written.fault.detail }
  if (isNew) await record(asked, written.value.txid, db, now())
  return { kind: 'written', transaction: written.value }
}

type Earlier = { readonly rebuild: number; readonly isDead: boolean }

async function findEarlier(subject: string, db: Queryable): Promise<Earlier | undefined> {
  const { rows } = await db.query<Earlier>({
    name: 'agents-earlier-adverts',
    text: `select rebuild, state = 'dead' as "isDead" from fuel_transactions
      where subject = $1 and stage = 'agent-adverts' order by rebuild desc limit 1`,
    values: [bytea(subject)],
  })
  return rows[0]
}

/** What an agent has withdrawn, wherever it was paid for, and whatever said no more than that. */
async function hasWithdrawn({ agentKey, expiresMs }: AskedAdverts, db: Queryable): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'agents-withdrawn',
    text: `select from gitdata_agents
      where agent_key = $1 and spent_by is not null and expires_ms >= $2 limit 1`,
    values: [bytea(agentKey), expiresMs],
  })
  return rowCount === 1
}

type Quota = {
  readonly paid: number
  readonly oldestMs: number
  readonly paidInAll: number
  readonly oldestOfAllMs: number
}

async function findQuota(operator: string, sinceMs: number, db: Queryable): Promise<Quota> {
  const { rows } = await db.query<Quota>({
    name: 'agents-quota',
    text: `select count(*) filter (where operator = $1)::int as paid, count(*)::int as "paidInAll",
        coalesce(min(paid_ms) filter (where operator = $1), $3::bigint) as "oldestMs",
        coalesce(min(paid_ms), $3::bigint) as "oldestOfAllMs"
      from sponsored_adverts where paid_ms > $2`,
    values: [bytea(operator), sinceMs, sinceMs + DAY_MS],
  })
  const [quota] = rows
  if (quota === undefined) throw new Error('a count has no row')
  return quota
}

async function record(
  { agentKey, operator, expiresMs, adverts }: AskedAdverts,
  txid: string,
  db: Queryable,
  nowMs: number,
): Promise<void> {
  await db.query({
    name: 'agents-sponsored',
    text: `insert into sponsored_adverts (agent_key, operator, kind, name, script, txid, vout, expires_ms, paid_ms)
      select $1, $2, kind, name, script, $6, place - 1, $7, $8
        from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as advert (kind, name, script, place)
      on conflict do nothing`,
    values: [
      bytea(agentKey),
      bytea(operator),
      adverts.map(({ kind }) => kind),
      adverts.map(({ name }) => name),
      adverts.map(({ script }) => Buffer.from(script)),
      bytea(txid),
      expiresMs,
      nowMs,
    ],
  })
}

/** What is on its way is no answer: the agent counts on being found. */
async function sent(txid: string, deps: SponsorDeps): Promise<Sponsored> {
  const { pool, beefOf, onAdvert, seenMsMax = SEEN_MS_MAX } = deps
  const over = AbortSignal.timeout(seenMsMax)
  for (; !over.aborted; await pause(LOOK_MS, over)) {
    const { rows } = await pool.query<{ state: string; error: string | null }>({
      name: 'agents-advert-state',
      text: 'select state, last_error as error from fuel_transactions where txid = $1',
      values: [bytea(txid)],
    })
    const [row] = rows
    if (row?.state === 'dead') return { kind: 'later', why: row.error ?? 'the network refused it' }
    if (row?.state !== 'seen' && row?.state !== 'mined') continue
    onAdvert()
    return { kind: 'paid', txid, beef: await beefOf(txid) }
  }
  return { kind: 'later', why: `the network has not taken ${txid} yet` }
}

function refusal(why: string) {
  return refused('token-invalid', why)
}
