import type { Pool } from 'pg'
import { type Spend, signTransaction } from '../../contract/spend.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { type Output, readTransaction, type Transaction } from '../../contract/transaction.ts'
import { outputsOf } from '../../contract/unpaid.ts'
import { accepted, type Fault, type Outcome, orThrow, refused } from '../../core/fault.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { type Coin, takeCoins } from './coins.ts'
import type { Plan, Purpose } from './fuel.ts'
import { dayOf, type FuelSettings } from './fuel-settings.ts'
import { changeMin, feeOf } from './price.ts'
import { type Made, recordWritten } from './record.ts'

export type WriteDeps = {
  readonly pool: Pool
  readonly key: Issuer
  /** Of the fuel key. */
  readonly lock: Uint8Array
  readonly settings: FuelSettings
  now(): number
}

/** More than this for one transaction is a plan that the pool was not made for. */
export const COINS_PER_TRANSACTION_MAX = 64

/** The one transaction for this purpose. Of several that write it at once, one does, and all get the same. */
export async function writeTransaction(
  purpose: Purpose,
  plan: Plan,
  deps: WriteDeps,
): Promise<Outcome<Transaction>> {
  const avoided: Coin[] = []
  for (;;) {
    const known = await findWritten(purpose, deps.pool)
    if (known !== undefined) return accepted(known)
    const tried = await inTransaction(deps.pool, db => tryToWrite(purpose, plan, avoided, db, deps), {
      keep: ({ kind }) => kind === 'written',
    })
    if (tried.kind === 'written') return accepted(tried.transaction)
    if (tried.kind === 'refused') return { ok: false, fault: tried.fault }
    avoided.push(...tried.spent)
  }
}

/** The same inside the caller's transaction, of which a refusal leaves the rest as it was. */
export async function writeWithin(
  db: Queryable,
  purpose: Purpose,
  plan: Plan,
  deps: WriteDeps,
): Promise<Outcome<Transaction>> {
  const avoided: Coin[] = []
  for (;;) {
    const known = await findWritten(purpose, db)
    if (known !== undefined) return accepted(known)
    await db.query('savepoint fuel')
    const tried = await tryToWrite(purpose, plan, avoided, db, deps)
    await db.query(tried.kind === 'written' ? 'release fuel' : 'rollback to fuel; release fuel')
    if (tried.kind === 'written') return accepted(tried.transaction)
    if (tried.kind === 'refused') return { ok: false, fault: tried.fault }
    avoided.push(...tried.spent)
  }
}

type Tried =
  | { readonly kind: 'written'; readonly transaction: Transaction }
  | { readonly kind: 'refused'; readonly fault: Fault }
  /**
   * Somebody else was faster, and theirs can be read now. Or the very same bytes are dead: the same coins to the same
   * outputs are the same transaction, and what is dead is never sent again, so it takes other coins.
   */
  | { readonly kind: 'overtaken'; readonly spent: readonly Coin[] }

async function tryToWrite(
  purpose: Purpose,
  plan: Plan,
  avoided: readonly Coin[],
  db: Queryable,
  deps: WriteDeps,
): Promise<Tried> {
  const { key, settings } = deps
  const nowMs = deps.now()
  const paid = await pay(purpose, plan, avoided, db, { ...deps, nowMs })
  if (!paid.ok) return { kind: 'refused', fault: paid.fault }
  const { transaction, spent, made } = paid.value
  const outcome = await recordWritten(
    db,
    { transaction, purpose, topics: plan.topics, offChainValues: plan.offChainValues, spent, made },
    { owner: key.identityKey, nowMs, satsPerDayMax: settings.satsPerDayMax },
  )
  if (outcome === 'known') return { kind: 'overtaken', spent }
  if (outcome === 'over-budget') return { kind: 'refused', fault: await overBudget(db, nowMs, settings) }
  return { kind: 'written', transaction }
}

type Paid = {
  readonly transaction: Transaction
  readonly spent: readonly Coin[]
  readonly made: readonly Made[]
}

/** Signed, with as many coins as it takes. */
async function pay(
  purpose: Purpose,
  plan: Plan,
  avoided: readonly Coin[],
  db: Queryable,
  { key, lock, settings, nowMs }: WriteDeps & { nowMs: number },
): Promise<Outcome<Paid>> {
  const { satsPerKb } = settings
  const request = { owner: key.identityKey, subject: purpose.subject, nowMs }
  const spent: Coin[] = []
  let offered: Coin[] = []
  let missing = 0
  for (;;) {
    const spends = [...plan.spends, ...spent.map(coin => spendOf(coin, lock, key.privateKey))]
    // Nothing is made for no input at all: what says what it spends is signed, and would be signed for nothing.
    if (spends.length > 0) {
      const planned = outputsOf(plan, spends)
      const left = leftOf(spends, planned) - feeOf(spends, planned, satsPerKb)
      if (left >= 0) {
        const change = changeOf(spends, planned, lock, satsPerKb)
        const outputs = change === undefined ? planned : [...planned, change]
        const made: Made[] =
          change === undefined ? [] : [{ vout: planned.length, satoshis: change.satoshis, kind: 'change' }]
        return accepted({ transaction: signTransaction(spends, outputs), spent, made })
      }
      missing = -left
    }
    if (spent.length === COINS_PER_TRANSACTION_MAX) return tooLarge(missing, settings)
    if (offered.length === 0) offered = await takeCoins(db, request, [...avoided, ...spent])
    const coin = offered.shift()
    if (coin === undefined) return exhausted(db, missing, settings)
    spent.push(coin)
  }
}

export function spendOf({ txid, vout, satoshis }: Coin, lock: Uint8Array, privateKey: Uint8Array): Spend {
  return { txid, vout, spent: { satoshis, script: lock }, privateKey }
}

/** What remains for us once the fee is paid, unless it is too little to be worth an output. */
export function changeOf(
  spends: readonly Spend[],
  outputs: readonly Output[],
  lock: Uint8Array,
  satsPerKb: number,
): Output | undefined {
  const fee = feeOf(spends, [...outputs, { script: lock }], satsPerKb)
  const satoshis = leftOf(spends, outputs) - fee
  // A transaction without any output is none.
  return satoshis >= changeMin(satsPerKb) || (outputs.length === 0 && satoshis > 0)
    ? { satoshis, script: lock }
    : undefined
}

function leftOf(spends: readonly Spend[], outputs: readonly Output[]): number {
  return (
    spends.reduce((sum, { spent }) => sum + spent.satoshis, 0) -
    outputs.reduce((sum, { satoshis }) => sum + satoshis, 0)
  )
}

async function findWritten(
  { subject, stage, rebuild }: Purpose,
  db: Queryable,
): Promise<Transaction | undefined> {
  const { rows } = await db.query<{ raw: Buffer }>({
    name: 'fuel-written',
    text: 'select raw from fuel_transactions where subject = $1 and stage = $2 and rebuild = $3',
    values: [bytea(subject), stage, rebuild],
  })
  const [row] = rows
  return row && orThrow(readTransaction(Uint8Array.from(row.raw)))
}

async function exhausted(
  db: Queryable,
  missing: number,
  { blockSeconds }: FuelSettings,
): Promise<Outcome<never>> {
  const { rows } = await db.query<{ coming: number }>(
    `select count(*)::int as coming from fuel_coins join fuel_transactions using (txid)
      where kind = 'fuel' and mined_height is null and spent_by is null and state in ('stored', 'seen')`,
  )
  const coming = rows[0]?.coming ?? 0
  const next =
    coming > 0
      ? `${coming} coins wait for the next block; one comes about every ${blockSeconds} s`
      : 'none wait for a block either: fund this node with `assay wallet fund`, or wait for its refill'
  return refused(
    'fuel-exhausted',
    missing > 0
      ? `no mined coin is free, and ${missing} satoshis are missing for this transaction; ${next}`
      : `no mined coin is free; ${next}`,
  )
}

function tooLarge(missing: number, { coinSatoshis }: FuelSettings): Outcome<never> {
  return refused(
    'fuel-exhausted',
    `${COINS_PER_TRANSACTION_MAX} coins of about ${coinSatoshis} satoshis are ${missing} too few for this transaction; raise FUEL_COIN_SATOSHIS, or make it smaller`,
  )
}

async function overBudget(db: Queryable, nowMs: number, { satsPerDayMax }: FuelSettings): Promise<Fault> {
  const { rows } = await db.query<{ satoshis: number }>({
    text: 'select satoshis from fuel_days where day = $1',
    values: [dayOf(nowMs)],
  })
  const next = new Date(86_400_000 * (dayOf(nowMs) + 1)).toISOString()
  return {
    code: 'budget-exhausted',
    detail: `${rows[0]?.satoshis ?? 0} of ${satsPerDayMax} satoshis are spent today; wait until ${next}, or raise MAX_SATS_PER_DAY`,
  }
}
