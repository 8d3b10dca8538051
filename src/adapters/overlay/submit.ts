import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { ancestry, type Beef, type BeefTransaction } from '../../contract/beef.ts'
import type { Bump } from '../../contract/bump.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import type { Rest } from '../../runtime/take-turns.ts'
import type { NewcomerGuess } from './guess-new.ts'
import { type JudgeDeps, type Judged, judgeSubmission } from './judge.ts'
import type { NetworkPlace } from './outbox.ts'
import { type Known, readKnown } from './read-known.ts'
import { type Applied, isFinal, type Steak, type Submission } from './submission.ts'
import { NETWORK, type Targets } from './targets.ts'
import { tellings } from './tellings.ts'
import { wasOvertaken } from './was-overtaken.ts'
import { type Admission, writeAdmission } from './write-admission.ts'

export type SubmitDeps = Omit<JudgeDeps, 'rest'> & {
  readonly pool: Pool
  readonly guess: NewcomerGuess
  now(): number
  /** Whom to tell of what is new. */
  readonly targets: Targets
  /** Something is written that is due now. */
  wakeOutbox(whom?: 'network'): void
  /** To tell the network of it once it is written; undefined where the outbox has to. */
  takePlace(): NetworkPlace | undefined
  onAdmitted(topics: readonly string[]): void
  /** One submission's part in the time that all of them share. */
  takeTurn(): Rest
  /** Everything in the BEEF holds: scripts, amounts, forms, block proofs. */
  verify(beef: Beef, rest: Rest): Promise<Outcome<void>>
  /** Of a stored transaction; verified. */
  takeProof(txid: string, proof: Bump): Promise<unknown>
  keepDoubleSpend(refusedOne: DoubleSpend, submission: Submission): Promise<void>
  /** The network has mined another one in place of ours, which goes. */
  giveWay(ours: string, mined: string): Promise<void>
}

/** A transaction that spends what `against`, which is stored, has spent before. */
export type DoubleSpend = {
  readonly transaction: BeefTransaction
  readonly coin: Outpoint
  readonly against: string
}

/** How often a submission is judged again because another one was faster, or something was evicted. */
const ATTEMPTS_MAX = 20
/** From then on it waits a little, by chance, so that those who keep overtaking one another fall out of step. */
const ATTEMPTS_AT_ONCE = 3
const PAUSE_MS_MAX = 100

/** Nothing was taken in, and nothing is wrong with it. */
export class OvertakenError extends Error {
  readonly code = 'ERR_OVERTAKEN'

  constructor(txid: string) {
    super(`${txid} was overtaken ${ATTEMPTS_MAX} times while it was judged; submit it again`)
  }
}

/**
 * Verifies, judges and records a transaction for its topics, and answers with what each admits. All of it is
 * recorded by one statement, and the answer is given after that; so is the answer to a transaction that was here
 * before, which is the same.
 */
export async function submit(submission: Submission, deps: SubmitDeps): Promise<Outcome<Steak>> {
  const rest = deps.takeTurn()
  let verified = false
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt >= ATTEMPTS_AT_ONCE) await sleep(Math.random() * PAUSE_MS_MAX)
    const guessed = attempt === 0 ? deps.guess.nothingKnownOf(submission.beef) : undefined
    const known = guessed ?? (await look(submission, deps))
    if (isSettled(submission, known, deps.managers)) return accepted(steakOf(submission, known, undefined))
    if (!verified) {
      const verdict = await deps.verify(submission.beef, rest)
      if (!verdict.ok) return verdict
      verified = true
    }
    if (!guessed) await takeNewProofs(submission.beef, known, deps)
    const doubleSpend = findDoubleSpend(submission.beef, known)
    if (doubleSpend !== undefined) {
      const refusal = await settleDoubleSpend(doubleSpend, submission, deps)
      if (refusal !== undefined) return refusal
      continue
    }
    const verdict = await judgeSubmission(submission, known, { ...deps, rest })
    if (!verdict.ok) return verdict
    const judged = verdict.value
    // Where there is nothing to record, nothing checks a guess: the answer may be one that stands already.
    const done = judged.applied.length > 0 ? await record(submission, judged, deps) : guessed === undefined
    if (done) return accepted(steakOf(submission, known, judged))
  }
  throw new OvertakenError(submission.beef.subject.txid)
}

async function look(submission: Submission, { pool, guess }: SubmitDeps): Promise<Known> {
  const known = await readKnown(pool, submission)
  guess.sawKnown(submission.beef, known)
  return known
}

/** Nothing to do: every answer stands, an ancestor's too, and the BEEF proves nothing that was not proven. */
function isSettled({ beef, topics }: Submission, known: Known, managers: JudgeDeps['managers']): boolean {
  const stands = (transaction: BeefTransaction, topic: string) =>
    isFinal(known.applied(transaction.txid, topic)) ||
    (transaction !== beef.subject && managers[topic]?.concerns?.(transaction) === false)
  return (
    topics.every(topic => beef.transactions.every(transaction => stands(transaction, topic))) &&
    beef.transactions.every(({ txid, proof }) => proof === undefined || known.stored(txid)?.proven !== false)
  )
}

/** What was stored before the block came: its proof is good whatever becomes of the rest. */
async function takeNewProofs({ transactions }: Beef, known: Known, deps: SubmitDeps): Promise<void> {
  for (const { txid, proof } of transactions)
    if (proof !== undefined && known.stored(txid)?.proven === false) await deps.takeProof(txid, proof)
}

/** Unless whoever submits it tells the network, we do, at once where there is room for that; what fails or finds none, the outbox has. */
async function record(submission: Submission, judged: Judged, deps: SubmitDeps): Promise<boolean> {
  const { beef, topics, isBroadcast = false } = submission
  const history = isBroadcast ? undefined : unproven(beef, judged.known)
  const place = history && deps.takePlace()
  let toTell: typeof history
  try {
    const isTold = isBroadcast || place !== undefined
    const told = tellings(judged, submission, { targets: deps.targets, isBroadcast: isTold })
    if (!(await write({ submission, judged, nowMs: deps.now(), told }, deps))) return false
    if (told.some(({ txid, target }) => target === NETWORK && txid === beef.subject.txid)) toTell = history
    deps.guess.sawStored(beef.transactions)
    const due = told.filter(({ afterMs }) => afterMs === 0)
    if (due.length > 0) deps.wakeOutbox(due.every(({ target }) => target === NETWORK) ? 'network' : undefined)
    deps.onAdmitted(topics)
    return true
  } finally {
    place?.(toTell)
  }
}

/** The subject and what it descends from, as far as no block is known to hold it: a BEEF may lack proofs that are here. */
function unproven({ subject, byTxid }: Beef, known: Known): readonly BeefTransaction[] {
  const open = [...byTxid].filter(
    ([txid, { proof }]) => proof === undefined && known.stored(txid)?.proven !== true,
  )
  return ancestry({ subject, byTxid: new Map(open) })
}

async function write(admission: Admission, { pool }: SubmitDeps): Promise<boolean> {
  try {
    return await writeAdmission(pool, admission)
  } catch (error) {
    // Somebody else has written one of its rows since it was read, or evicted one; read and judge it again.
    if (wasOvertaken(error)) return false
    throw error
  }
}

function findDoubleSpend({ transactions }: Beef, known: Known): DoubleSpend | undefined {
  for (const transaction of transactions)
    for (const coin of transaction.inputs) {
      const against = known.coin(coin)?.spender
      if (against !== undefined && against !== transaction.txid) return { transaction, coin, against }
    }
  return undefined
}

/** Nothing where the network has decided for the new one: ours is gone, and the submission goes on. */
async function settleDoubleSpend(
  doubleSpend: DoubleSpend,
  submission: Submission,
  deps: SubmitDeps,
): Promise<Outcome<never> | undefined> {
  const { transaction, coin, against } = doubleSpend
  if (transaction.proof !== undefined) {
    await deps.giveWay(against, transaction.txid)
    return undefined
  }
  await deps.keepDoubleSpend(doubleSpend, submission)
  return refused(
    'double-spend',
    `${transaction.txid} spends output ${coin.vout} of ${coin.txid}, which ${against} has spent; the first one stands unless the network mines the other`,
  )
}

function steakOf({ beef: { subject }, topics }: Submission, known: Known, judged: Judged | undefined): Steak {
  return Object.fromEntries(
    topics.map(topic => {
      const fresh = judged?.applied.find(
        each => each.transaction.txid === subject.txid && each.topic === topic,
      )
      const { admitted, retained, removed }: Applied = fresh ?? known.applied(subject.txid, topic) ?? nothing
      return [topic, { outputsToAdmit: admitted, coinsToRetain: retained, coinsRemoved: removed }]
    }),
  )
}

const nothing: Applied = { admitted: [], retained: [], removed: [] }
