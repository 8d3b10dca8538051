import type { Pool } from 'pg'
import { type Beef, type BeefTransaction, parentsFirst } from '../../contract/beef.ts'
import { nowhere, outpointText } from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { inTransaction, type Queryable } from '../postgres/sql.ts'
import {
  admissionStatement,
  type Changes,
  type CoinState,
  type Place,
  type Telling,
} from './admission-statement.ts'
import type { IndexWrite } from './index-writes.ts'
import type { Judged, Judgement } from './judge.ts'
import { runIndexWrites } from './run-index-writes.ts'
import type { Submission } from './submission.ts'

export type Admission = {
  readonly submission: Submission
  readonly judged: Judged
  readonly nowMs: number
  /** Who is to be told of what is new here. */
  readonly told: readonly Telling[]
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
  const { rows } = await db.query<{ written: boolean }>(admissionStatement(changesOf(admission), indexWrites))
  return rows[0]?.written ?? false
}

function oneKindEach(writes: readonly IndexWrite[]): boolean {
  const kindOf = new Map(writes.map(({ index, sql }) => [index, sql]))
  return writes.every(({ index, sql }) => kindOf.get(index) === sql)
}

/** What has to be written, and what it is all based on. */
function changesOf({ submission, judged, nowMs, told }: Admission): Changes {
  const { applied, known } = judged
  const { beef, offChainValues } = submission
  const wanted = closure(applied, beef)
  const fresh = wanted.filter(({ txid }) => known.stored(txid) === undefined)
  const freshTxids = new Set(fresh.map(({ txid }) => txid))
  const answers = applied.map(answer => ({ ...answer, txid: answer.transaction.txid }))
  const answerBefore = ({ txid, topic }: { txid: string; topic: string }) => known.applied(txid, topic)
  const removed = placesRemoved(applied)
  return {
    nowMs,
    epoch: known.epoch,
    wasGuessed: known.isGuess,
    coins: coinChanges(judged, fresh),
    answers: {
      expected: answers.flatMap(({ txid, topic }) => {
        const before = answerBefore({ txid, topic })
        return before === undefined ? [] : [{ ...before, txid, topic }]
      }),
      made: answers.filter(answer => answerBefore(answer) === undefined),
      changed: answers.filter(answer => answerBefore(answer) !== undefined),
    },
    transactions: wanted.filter(
      ({ txid, proof }) => !known.stored(txid)?.proven && (proof !== undefined || freshTxids.has(txid)),
    ),
    admitted: placesAdmitted(applied, removed),
    removed,
    told,
    offChainValues,
    valuesOf: answers.filter(({ txid, admitted }) => txid === beef.subject.txid && admitted.length > 0),
  }
}

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
  const here = applied.map(({ transaction }) => transaction).filter(({ txid }) => byTxid.has(txid))
  return parentsFirst(here, byTxid)
}

/** Nobody can spend nowhere twice. */
function isCoin({ txid }: { txid: string }): boolean {
  return txid !== nowhere.txid
}
