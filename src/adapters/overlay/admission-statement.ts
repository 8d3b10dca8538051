import { createHash } from 'node:crypto'
import type { BeefTransaction } from '../../contract/beef.ts'
import { trimBump, writeBump } from '../../contract/bump.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { bytea, byteas } from '../postgres/sql.ts'
import type { IndexWrite } from './index-writes.ts'
import type { Coin } from './read-known.ts'
import type { Applied } from './submission.ts'
import { toldInOrder } from './targets.ts'

/** What an admission changes. `expected`: what must still be as it was when it was judged. */
export type Changes = {
  readonly nowMs: number
  readonly epoch: number
  /** Nothing was read before: that none of the coins is there says that none of all this is. */
  readonly wasGuessed: boolean
  readonly coins: {
    readonly expected: readonly CoinState[]
    readonly made: readonly CoinState[]
    readonly changed: readonly CoinState[]
  }
  readonly answers: {
    readonly expected: readonly Answer[]
    readonly made: readonly Answer[]
    readonly changed: readonly Answer[]
  }
  /** New ones, and stored ones that come with a proof now. */
  readonly transactions: readonly BeefTransaction[]
  readonly admitted: readonly Place[]
  readonly removed: readonly Place[]
  readonly told: readonly Telling[]
  readonly offChainValues: Uint8Array | undefined
  /** Whose answers rest on the off-chain values. */
  readonly valuesOf: readonly { readonly txid: string; readonly topic: string }[]
}

export type CoinState = Outpoint & Coin
export type Place = Outpoint & { readonly topic: string }
export type Telling = {
  readonly txid: string
  readonly target: string
  readonly topics: readonly string[]
  /** How long that may wait. */
  readonly afterMs: number
}
type Answer = Applied & { readonly txid: string; readonly topic: string }

/**
 * All of it as one statement, which writes nothing where something has changed. Parts that only few submissions need
 * are left out of the others: four of those and the indexes' statements make few enough texts to keep each prepared.
 */
export function admissionStatement(
  changes: Changes,
  indexWrites: readonly IndexWrite[],
): { name: string; text: string; values: unknown[] } {
  const { coins, answers, transactions, admitted, removed, told, offChainValues, valuesOf } = changes
  const values: unknown[] = []
  const $ = (value: unknown, type: string) => `$${values.push(value)}::${type}`
  // In a subquery, so that no plan depends on what it holds: PostgreSQL then keeps one plan of this statement, where
  // it would otherwise make one each time, and that takes longer than to run it.
  const $list = (list: readonly unknown[], type: string) => `(select ${$(list, type)}[])`
  const $txids = (list: readonly { readonly txid: string }[]) =>
    $list(byteas(list.map(({ txid }) => txid)), 'bytea')
  const $vouts = (list: readonly Outpoint[]) =>
    $list(
      list.map(({ vout }) => vout),
      'bigint',
    )
  const $topics = (list: readonly { readonly topic: string }[]) =>
    $list(
      list.map(({ topic }) => topic),
      'text',
    )
  const $coins = (list: readonly CoinState[]) => {
    const admissions = list.map(coin => coin.admissions)
    const spenders = list.map(({ spender }) => (spender === undefined ? null : bytea(spender)))
    return `${$txids(list)}, ${$vouts(list)}, ${$list(admissions, 'smallint')}, ${$list(spenders, 'bytea')}`
  }
  const $answers = (list: readonly Answer[]) => {
    const [all, retained, gone] = (['admitted', 'retained', 'removed'] as const).map(kind =>
      $list(
        list.map(answer => arrayText(answer[kind])),
        'text',
      ),
    )
    return `${$txids(list)}, ${$topics(list)}, ${all}, ${retained}, ${gone}`
  }
  const now = $(changes.nowMs, 'bigint')

  const conditions = ['true']
  if (changes.wasGuessed)
    conditions.push(`not exists (
      select from unnest(${$txids(coins.made)}, ${$vouts(coins.made)}) as made (txid, vout), lateral
        (select from coins where coins.txid = made.txid and coins.vout = made.vout offset 0) as there)`)
  // Locked before any coin is, as an eviction does it: in another order the two could wait for each other.
  const checks = [
    `epoch_now as materialized (
      select epoch from overlay_epoch where one and epoch = ${$(changes.epoch, 'bigint')} for share)`,
  ]
  const parts = [
    `new_transactions as (
      insert into transactions (txid, raw, stored_ms, proof, proof_height, proof_root)
      select txid, raw, ${now}, proof, proof_height, proof_root from guard, unnest(
        ${$txids(transactions)},
        ${$list(
          transactions.map(({ raw }) => Buffer.from(raw)),
          'bytea',
        )},
        ${$list(transactions.map(proofBytes), 'bytea')},
        ${$list(
          transactions.map(({ proof }) => proof?.height ?? null),
          'bigint',
        )},
        ${$list(
          transactions.map(({ proof }) => (proof === undefined ? null : bytea(proof.root))),
          'bytea',
        )}
      ) as fresh (txid, raw, proof, proof_height, proof_root)
      order by txid
      on conflict (txid) do update set proof = excluded.proof, proof_height = excluded.proof_height,
        proof_root = excluded.proof_root
        where transactions.proof is null and excluded.proof is not null)`,
    `new_coins as (
      insert into coins (txid, vout, admissions, spender) select txid, vout, admissions, spender
        from guard, unnest(${$coins(coins.made)}) as fresh (txid, vout, admissions, spender)
        order by txid, vout)`,
    `new_outputs as (
      insert into outputs (txid, vout, topic, admitted_ms) select txid, vout, topic, ${now} from guard,
        unnest(${$txids(admitted)}, ${$vouts(admitted)}, ${$topics(admitted)}) as fresh (txid, vout, topic)
      on conflict do nothing)`,
    `new_answers as (
      insert into applied (txid, topic, admitted, retained, removed, applied_ms)
      select txid, topic, admitted::integer[], retained::integer[], removed::integer[], ${now} from guard,
        unnest(${$answers(answers.made)}) as fresh (txid, topic, admitted, retained, removed)
      order by txid, topic)`,
    `to_tell as (
      insert into outbox (txid, target, topics, due_ms, in_order)
      select txid, target, topics::text[], ${now} + after_ms, ${toldInOrder('target', 'topics::text[]')} from guard, unnest(${$txids(told)}, ${$list(
        told.map(({ target }) => target),
        'text',
      )}, ${$list(
        told.map(({ topics }) => textArray(topics)),
        'text',
      )}, ${$list(
        told.map(({ afterMs }) => afterMs),
        'bigint',
      )}) as fresh (txid, target, topics, after_ms)
      order by txid, target
      on conflict (txid, target) do update set due_ms = least(outbox.due_ms, excluded.due_ms),
        in_order = (outbox.in_order or excluded.in_order) and not outbox.is_aside,
        topics = array (select distinct unnest(outbox.topics || excluded.topics) order by 1))`,
  ]
  if (coins.expected.length > 0) {
    checks.push(`same_coins as materialized (
      select from epoch_now cross join coins join unnest(${$coins(coins.expected)}) as expected (txid, vout, admissions, spender)
        on coins.txid = expected.txid and coins.vout = expected.vout and coins.admissions = expected.admissions
          and coins.spender is not distinct from expected.spender
      order by coins.txid, coins.vout for update of coins)`)
    conditions.push(`(select count(*) from same_coins) = ${$(coins.expected.length, 'bigint')}`)
    parts.push(`changed_coins as (
      update coins set admissions = changed.admissions, spender = changed.spender
        from guard, unnest(${$coins(coins.changed)}) as changed (txid, vout, admissions, spender)
        where coins.txid = changed.txid and coins.vout = changed.vout)`)
  }
  if (answers.expected.length > 0) {
    checks.push(`same_answers as materialized (
      select from epoch_now cross join applied join unnest(${$answers(answers.expected)}) as expected (txid, topic, admitted, retained, removed)
        on applied.txid = expected.txid and applied.topic = expected.topic
          and applied.admitted = expected.admitted::integer[] and applied.retained = expected.retained::integer[]
          and applied.removed = expected.removed::integer[]
      order by applied.txid, applied.topic for update of applied)`)
    conditions.push(`(select count(*) from same_answers) = ${$(answers.expected.length, 'bigint')}`)
    parts.push(`other_answers as (
      update applied set admitted = other.admitted::integer[], retained = other.retained::integer[],
          removed = other.removed::integer[], applied_ms = ${now}, written = pg_current_xact_id()
        from guard, unnest(${$answers(answers.changed)}) as other (txid, topic, admitted, retained, removed)
        where applied.txid = other.txid and applied.topic = other.topic)`)
  }
  if (removed.length > 0)
    parts.push(`let_go as (
      delete from outputs using guard,
        unnest(${$txids(removed)}, ${$vouts(removed)}, ${$topics(removed)}) as old (txid, vout, topic)
      where outputs.txid = old.txid and outputs.vout = old.vout and outputs.topic = old.topic)`)
  if (offChainValues !== undefined && valuesOf.length > 0)
    parts.push(`kept_values as (
      insert into off_chain_values (txid, topic, bytes)
      select txid, topic, ${$(Buffer.from(offChainValues), 'bytea')}
        from guard, unnest(${$txids(valuesOf)}, ${$topics(valuesOf)}) as fresh (txid, topic)
      on conflict (txid, topic) do nothing)`)
  parts.push(...indexParts(indexWrites, value => $(value, 'jsonb'), now))

  const guard = `guard as (select epoch from epoch_now where ${conditions.join(' and ')})`
  const text = `with ${[...checks, guard, ...parts].join(',\n')}\nselect exists (select from guard) as written`
  return { ...preparedAs(text), values }
}

function proofBytes({ txid, proof }: BeefTransaction): Buffer | null {
  return proof === undefined ? null : Buffer.from(writeBump(trimBump(proof, new Set([txid]))))
}

function arrayText(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`
}

/** An array within an array, whose lengths would otherwise have to be equal. */
function textArray(texts: readonly string[]): string {
  return `{${texts.map(text => JSON.stringify(text)).join(',')}}`
}

/** Rows for one index go into one statement part, in the order they were written. */
function indexParts(writes: readonly IndexWrite[], $: (value: unknown) => string, now: string): string[] {
  const rowsOf = new Map<string, IndexWrite['row'][]>()
  for (const { sql, row } of writes) {
    const rows = rowsOf.get(sql)
    if (rows === undefined) rowsOf.set(sql, [row])
    else rows.push(row)
  }
  return [...rowsOf].map(([sql, sameRows], i) => {
    const rows = `(select ${$(JSON.stringify(sameRows))} from guard)`
    return `index_${i} as (${sql.replaceAll('$rows', rows).replaceAll('$now', now)})`
  })
}

const prepared = new Map<string, { readonly name: string; readonly text: string }>()

/** A connection prepares a text once, by its name; and two of one name must be the same text. */
function preparedAs(text: string): { readonly name: string; readonly text: string } {
  const known = prepared.get(text)
  if (known !== undefined) return known
  const fresh = { name: `admit-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`, text }
  prepared.set(text, fresh)
  return fresh
}
