import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import { ancestry, type Beef, type BeefTransaction } from '../../contract/beef.ts'
import { trimBump, writeBump } from '../../contract/bump.ts'
import { outpointText } from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import type { IndexWrite } from './index-writes.ts'
import type { Judged, Judgement } from './judge.ts'
import type { Coin } from './read-known.ts'
import { runIndexWrites } from './run-index-writes.ts'
import { bytea, byteas, inTransaction, type Queryable } from './sql.ts'
import type { Applied, Submission } from './submission.ts'

export type Admission = {
  readonly submission: Submission
  readonly judged: Judged
  readonly nowMs: number
  /** Who is to be told of each transaction that is new here. */
  readonly targets: readonly string[]
}

/**
 * Writes all of an admission in one statement: transactions, coins, outputs, answers, index rows and what others have
 * to be told. False where what it was judged on has changed since; then nothing is written. Fails on a unique key
 * where another submission was faster.
 */
export async function writeAdmission(pool: Pool, admission: Admission): Promise<boolean> {
  const { indexWrites } = admission.judged
  // Parts of one statement do not see each other's rows: a row that is updated and deleted needs two of them.
  if (!oneKindEach(indexWrites))
    return inTransaction(pool, async db => {
      const written = await write(db, admission, [])
      if (written) await runIndexWrites(db, indexWrites, admission.nowMs)
      return written
    })
  return write(pool, admission, indexWrites)
}

async function write(
  db: Queryable,
  admission: Admission,
  indexWrites: readonly IndexWrite[],
): Promise<boolean> {
  const { text, values } = statement(admission, indexWrites)
  const name = `admit-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  const { rows } = await db.query<{ written: boolean }>({ name, text, values })
  return rows[0]?.written ?? false
}

function oneKindEach(writes: readonly IndexWrite[]): boolean {
  const kindOf = new Map(writes.map(({ index, sql }) => [index, sql]))
  return writes.every(({ index, sql }) => kindOf.get(index) === sql)
}

function statement(
  { submission, judged, nowMs, targets }: Admission,
  indexWrites: readonly IndexWrite[],
): { text: string; values: unknown[] } {
  const { applied, known } = judged
  const wanted = closure(applied, submission.beef)
  const fresh = wanted.filter(({ txid }) => known.stored(txid) === undefined)
  const news = wanted.filter(
    ({ txid, proof }) =>
      !known.stored(txid)?.proven && (proof !== undefined || fresh.some(each => each.txid === txid)),
  )
  const coins = coinChanges(judged, fresh)
  const answers = applied.map(answer => ({
    ...answer,
    txid: answer.transaction.txid,
    before: known.applied(answer.transaction.txid, answer.topic),
  }))
  const removed = placesRemoved(applied)
  const admitted = placesAdmitted(applied, removed)
  const told = fresh.filter(
    ({ txid, proof }) => proof === undefined && answers.some(each => each.txid === txid),
  )

  const values: unknown[] = []
  const $ = (value: unknown) => `$${values.push(value)}`
  const $txids = (list: readonly { readonly txid: string }[]) =>
    `${$(byteas(list.map(({ txid }) => txid)))}::bytea[]`
  const $vouts = (list: readonly { readonly vout: number }[]) =>
    `${$(list.map(({ vout }) => vout))}::bigint[]`
  const $topics = (list: readonly { readonly topic: string }[]) =>
    `${$(list.map(({ topic }) => topic))}::text[]`
  const $coinStates = (list: readonly CoinState[]) =>
    `${$txids(list)}, ${$vouts(list)}, ${$(list.map(({ admissions }) => admissions))}::smallint[], ${$(list.map(({ spender }) => (spender === undefined ? null : bytea(spender))))}::bytea[]`
  const $answers = (list: readonly (Applied & { readonly txid: string; readonly topic: string })[]) =>
    `${$txids(list)}, ${$topics(list)}, ${$(list.map(({ admitted }) => arrayText(admitted)))}::text[], ${$(list.map(({ retained }) => arrayText(retained)))}::text[], ${$(list.map(({ removed }) => arrayText(removed)))}::text[]`
  const now = `${$(nowMs)}::bigint`

  const answered = answers.flatMap(({ txid, topic, before }) =>
    before === undefined ? [] : [{ ...before, txid, topic }],
  )
  const parts = [
    `same_coins as materialized (
      select from coins join unnest(${$coinStates(coins.expected)}) as expected (txid, vout, admissions, spender)
        on coins.txid = expected.txid and coins.vout = expected.vout and coins.admissions = expected.admissions
          and coins.spender is not distinct from expected.spender
      order by coins.txid, coins.vout for update of coins)`,
    `same_answers as materialized (
      select from applied join unnest(${$answers(answered)}) as expected (txid, topic, admitted, retained, removed)
        on applied.txid = expected.txid and applied.topic = expected.topic
          and applied.admitted = expected.admitted::integer[] and applied.retained = expected.retained::integer[]
          and applied.removed = expected.removed::integer[]
      order by applied.txid, applied.topic for update of applied)`,
    `guard as (
      select epoch from overlay_epoch where epoch = ${$(known.epoch)}::bigint
        and (select count(*) from same_coins) = ${$(coins.expected.length)}::bigint
        and (select count(*) from same_answers) = ${$(answered.length)}::bigint
      for share)`,
    `new_transactions as (
      insert into transactions (txid, raw, stored_ms, proof, proof_height, proof_root)
      select txid, raw, ${now}, proof, proof_height, proof_root from guard, unnest(
        ${$txids(news)}, ${$(news.map(({ raw }) => Buffer.from(raw)))}::bytea[],
        ${$(news.map(proofBytes))}::bytea[], ${$(news.map(({ proof }) => proof?.height ?? null))}::bigint[],
        ${$(news.map(({ proof }) => (proof === undefined ? null : bytea(proof.root))))}::bytea[]
      ) as fresh (txid, raw, proof, proof_height, proof_root)
      order by txid
      on conflict (txid) do update set proof = excluded.proof, proof_height = excluded.proof_height,
        proof_root = excluded.proof_root
        where transactions.proof is null and excluded.proof is not null)`,
    `new_coins as (
      insert into coins (txid, vout, admissions, spender) select txid, vout, admissions, spender
        from guard, unnest(${$coinStates(coins.made)}) as fresh (txid, vout, admissions, spender)
        order by txid, vout)`,
    `changed_coins as (
      update coins set admissions = changed.admissions, spender = changed.spender
        from guard, unnest(${$coinStates(coins.changed)}) as changed (txid, vout, admissions, spender)
        where coins.txid = changed.txid and coins.vout = changed.vout)`,
    `new_outputs as (
      insert into outputs (txid, vout, topic, admitted_ms) select txid, vout, topic, ${now} from guard,
        unnest(${$txids(admitted)}, ${$vouts(admitted)}, ${$topics(admitted)}) as fresh (txid, vout, topic)
      on conflict do nothing)`,
    `new_answers as (
      insert into applied (txid, topic, admitted, retained, removed, applied_ms)
      select txid, topic, admitted::integer[], retained::integer[], removed::integer[], ${now} from guard,
        unnest(${$answers(answers.filter(({ before }) => before === undefined))}) as fresh (txid, topic, admitted, retained, removed)
      order by txid, topic)`,
    `other_answers as (
      update applied set admitted = other.admitted::integer[], retained = other.retained::integer[],
          removed = other.removed::integer[], applied_ms = ${now}
        from guard, unnest(${$answers(answers.filter(({ before }) => before !== undefined))}) as other (txid, topic, admitted, retained, removed)
        where applied.txid = other.txid and applied.topic = other.topic)`,
    `to_tell as (
      insert into outbox (txid, target, topics, due_ms)
      select txid, target, ${$(submission.topics)}::text[], ${now} from guard,
        unnest(${$txids(told)}) as fresh (txid), unnest(${$(targets)}::text[]) as each_target (target)
      on conflict do nothing)`,
  ]
  if (removed.length > 0)
    parts.push(`let_go as (
      delete from outputs using guard,
        unnest(${$txids(removed)}, ${$vouts(removed)}, ${$topics(removed)}) as old (txid, vout, topic)
      where outputs.txid = old.txid and outputs.vout = old.vout and outputs.topic = old.topic)`)
  const {
    beef: { subject },
    offChainValues,
  } = submission
  const keeping = answers.filter(({ txid, admitted }) => txid === subject.txid && admitted.length > 0)
  if (offChainValues !== undefined && keeping.length > 0)
    parts.push(`kept_values as (
      insert into off_chain_values (txid, topic, bytes)
      select txid, topic, ${$(Buffer.from(offChainValues))}::bytea
        from guard, unnest(${$txids(keeping)}, ${$topics(keeping)}) as fresh (txid, topic)
      on conflict (txid, topic) do nothing)`)
  parts.push(...indexParts(indexWrites, $, now))
  return { text: `with ${parts.join(',\n')}\nselect exists (select from guard) as written`, values }
}

type Place = Outpoint & { readonly topic: string }

function placesRemoved(applied: readonly Judgement[]): Place[] {
  return applied.flatMap(({ removed, transaction, topic }) =>
    removed.flatMap(index => {
      const coin = transaction.inputs[index]
      return coin === undefined ? [] : [{ txid: coin.txid, vout: coin.vout, topic }]
    }),
  )
}

/** Less what was removed again within the same submission. */
function placesAdmitted(applied: readonly Judgement[], removed: readonly Place[]): Place[] {
  const gone = new Set(removed.map(placeText))
  return applied
    .flatMap(({ admitted, transaction: { txid }, topic }) => admitted.map(vout => ({ txid, vout, topic })))
    .filter(place => !gone.has(placeText(place)))
}

function placeText({ topic, ...outpoint }: Place): string {
  return `${outpointText(outpoint)} ${topic}`
}

type CoinState = Outpoint & Coin

/**
 * What must still be as it was when the submission was judged, for the answers to hold: every coin that a judged
 * transaction spends, and every output that is admitted. And what becomes of them.
 */
function coinChanges({ applied, known }: Judged, fresh: readonly BeefTransaction[]) {
  const after = new Map<string, CoinState>()
  const touch = (outpoint: Outpoint): CoinState => {
    const { admissions = 0, spender } = known.coin(outpoint) ?? {}
    const { txid, vout } = outpoint
    return after.get(outpointText(outpoint)) ?? { txid, vout, admissions, spender }
  }
  const put = (state: CoinState) => after.set(outpointText(state), state)

  for (const { transaction, topic, admitted } of applied) {
    for (const input of transaction.inputs.filter(isCoin)) put(touch(input))
    const before = known.applied(transaction.txid, topic)?.admitted ?? []
    for (const vout of admitted) {
      const coin = touch({ txid: transaction.txid, vout })
      put(before.includes(vout) ? coin : { ...coin, admissions: coin.admissions + 1 })
    }
  }
  for (const { txid, inputs } of fresh)
    for (const input of inputs.filter(isCoin)) put({ ...touch(input), spender: txid })

  const states = [...after.values()]
  const expected = states.flatMap(({ txid, vout }) => {
    const coin = known.coin({ txid, vout })
    return coin === undefined ? [] : [{ txid, vout, ...coin }]
  })
  return {
    expected,
    made: states.filter(state => known.coin(state) === undefined),
    changed: states.filter(state => {
      const before = known.coin(state)
      return (
        before !== undefined && (before.admissions !== state.admissions || before.spender !== state.spender)
      )
    }),
  }
}

/** What was applied, with all it needs; of what was judged again, nothing is new. */
function closure(applied: readonly Judgement[], { byTxid }: Pick<Beef, 'byTxid'>): BeefTransaction[] {
  const wanted = new Map<string, BeefTransaction>()
  for (const { transaction } of applied.filter(each => byTxid.has(each.transaction.txid)))
    for (const each of ancestry({ subject: transaction, byTxid })) wanted.set(each.txid, each)
  return [...wanted.values()]
}

/** Coins that a block makes come from nowhere; nobody can spend nowhere twice. */
function isCoin({ txid }: { txid: string }): boolean {
  return txid !== nowhere
}

const nowhere = '0'.repeat(64)

function proofBytes({ txid, proof }: BeefTransaction): Buffer | null {
  return proof === undefined ? null : Buffer.from(writeBump(trimBump(proof, new Set([txid]))))
}

function arrayText(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`
}

/** Rows for one index go into one statement part, in the order they were written. */
function indexParts(writes: readonly IndexWrite[], $: (value: unknown) => string, now: string): string[] {
  const rowsOf = new Map<string, IndexWrite['row'][]>()
  for (const { sql, row } of writes) rowsOf.set(sql, [...(rowsOf.get(sql) ?? []), row])
  return [...rowsOf].map(([sql, sameRows], i) => {
    const rows = `(select ${$(JSON.stringify(sameRows))}::jsonb from guard)`
    return `index_${i} as (${sql.replaceAll('$rows', rows).replaceAll('$now', now)})`
  })
}
