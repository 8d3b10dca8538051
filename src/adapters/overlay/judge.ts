import { ancestry, type BeefTransaction } from '../../contract/beef.ts'
import { outpointText } from '../../contract/transaction.ts'
import { accepted, FaultError, type Outcome } from '../../core/fault.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import type { Rest } from '../../runtime/take-turns.ts'
import type { Hearing } from './engine-host.ts'
import type { Hosted } from './hosted.ts'
import { collectIndexWrites, type IndexWrite } from './index-writes.ts'
import { type Known, together } from './read-known.ts'
import { type Applied, isFinal, type Submission, saysSomething } from './submission.ts'

/** What came of judging a submission: what the statement that records it has to write. */
export type Judged = {
  /** Every one says something; parents before children. */
  readonly applied: readonly Judgement[]
  /** What it was judged on, stored transactions that were judged again included. */
  readonly known: Known
  readonly indexWrites: readonly IndexWrite[]
}

export type Judgement = Applied & { readonly transaction: BeefTransaction; readonly topic: string }

export type JudgeDeps = {
  readonly managers: Hosted['managers']
  hear(hearing: Hearing): Promise<ReadonlyMap<string, Applied>>
  /** Stored transactions with all they need, and what the database knows of them. */
  recall(txids: readonly string[]): Promise<{ transactions: readonly BeefTransaction[]; known: Known }>
  /** Called before each transaction; waited for, so that others get their turn. */
  readonly rest: Rest
}

/** Inputs and outputs of one transaction before a topic. The engine reads it in one go: about 50 ms for so many. */
export const JUDGED_PLACES_MAX = 10_000

/**
 * Every transaction of the BEEF goes before its topics, oldest first, unless their answer stands already: so it
 * makes no difference in which order they arrive. For the same reason a stored transaction that spends what is
 * admitted only now goes before its topics again, as it would have had this come first.
 */
export async function judgeSubmission(
  submission: Submission,
  known: Known,
  deps: JudgeDeps,
): Promise<Outcome<Judged>> {
  const indexWrites: IndexWrite[] = []
  const bench = new Bench(submission, known, deps)
  try {
    await collectIndexWrites(indexWrites, async () => {
      for (const transaction of submission.beef.transactions) await bench.judgeOpen(transaction)
      await bench.judgeLate()
    })
  } catch (error) {
    if (error instanceof FaultError) return { ok: false, fault: error.fault }
    throw error
  }
  return accepted({ applied: [...bench.judgements.values()], known: bench.known, indexWrites })
}

/** So many stored transactions are judged again for what comes late. A chain this long is no accident. */
const LATE_JUDGEMENTS_MAX = 1000

class Bench {
  readonly judgements = new Map<string, Judgement>()
  readonly #submission: Submission
  readonly #deps: JudgeDeps
  known: Known
  readonly #byTxid: Map<string, BeefTransaction>
  /** `outpoint topic`, admitted (true) or removed (false) by the judgements so far. */
  readonly #coins = new Map<string, boolean>()
  readonly #late = new Map<string, Set<string>>()

  constructor(submission: Submission, known: Known, deps: JudgeDeps) {
    this.#submission = submission
    this.#deps = deps
    this.known = known
    this.#byTxid = new Map(submission.beef.byTxid)
  }

  async judgeOpen(transaction: BeefTransaction): Promise<void> {
    const open = this.#submission.topics.filter(
      topic => !isFinal(this.known.applied(transaction.txid, topic)) && this.#concerns(transaction, topic),
    )
    await this.#judge(transaction, open)
  }

  async judgeLate(): Promise<void> {
    let judged = 0
    for (let batch = [...this.#late]; batch.length > 0; batch = [...this.#late]) {
      this.#late.clear()
      judged += batch.length
      if (judged > LATE_JUDGEMENTS_MAX)
        throw new Error(`more than ${LATE_JUDGEMENTS_MAX} stored transactions would have to be judged again`)
      await this.#recall(batch.map(([txid]) => txid))
      for (const [txid, topics] of batch) {
        const transaction = this.#byTxid.get(txid)
        if (transaction !== undefined) await this.#judge(transaction, [...topics])
      }
    }
  }

  async #judge(transaction: BeefTransaction, topics: readonly string[]): Promise<void> {
    if (topics.length === 0) return
    refuseTooWide(transaction)
    await this.#deps.rest()
    const { beef, offChainValues } = this.#submission
    const byTxid = this.#byTxid
    const answers = await this.#deps.hear({
      transaction,
      topics,
      history: () => ancestry({ subject: transaction, byTxid }),
      holds: (outpoint, topic) => this.#holds(outpoint, topic),
      ...(transaction.txid === beef.subject.txid && offChainValues !== undefined && { offChainValues }),
    })
    for (const [topic, answer] of answers) this.#take(transaction, topic, answer)
  }

  #take(transaction: BeefTransaction, topic: string, answer: Applied): void {
    if (!saysSomething(answer)) return
    this.judgements.set(`${transaction.txid} ${topic}`, { ...answer, transaction, topic })
    for (const index of answer.removed) {
      const coin = transaction.inputs[index]
      if (coin !== undefined) this.#coins.set(`${outpointText(coin)} ${topic}`, false)
    }
    for (const vout of answer.admitted) {
      const outpoint = { txid: transaction.txid, vout }
      if (!this.#holds(outpoint, topic) && !this.#wasAdmitted(outpoint, topic))
        this.#rejudgeSpender(outpoint, topic)
      this.#coins.set(`${outpointText(outpoint)} ${topic}`, true)
    }
  }

  /** A stored transaction that spends this output has been answered by a topic that did not know the output. */
  #rejudgeSpender(outpoint: Outpoint, topic: string): void {
    const spender = this.known.coin(outpoint)?.spender
    if (spender !== undefined) this.#late.set(spender, (this.#late.get(spender) ?? new Set()).add(topic))
  }

  async #recall(txids: readonly string[]): Promise<void> {
    const { transactions, known } = await this.#deps.recall(txids)
    for (const each of transactions) if (!this.#byTxid.has(each.txid)) this.#byTxid.set(each.txid, each)
    this.known = together([this.known, known])
  }

  #concerns(transaction: BeefTransaction, topic: string): boolean {
    const manager = this.#deps.managers[topic]
    return (
      manager?.concerns === undefined ||
      manager.concerns(transaction) ||
      transaction.inputs.some(input => this.#holds(input, topic))
    )
  }

  #holds(outpoint: Outpoint, topic: string): boolean {
    return this.#coins.get(`${outpointText(outpoint)} ${topic}`) ?? this.known.holds(outpoint, topic)
  }

  #wasAdmitted({ txid, vout }: Outpoint, topic: string): boolean {
    return this.known.applied(txid, topic)?.admitted.includes(vout) ?? false
  }
}

function refuseTooWide({ txid, inputs, outputs }: BeefTransaction): void {
  const places = inputs.length + outputs.length
  if (places > JUDGED_PLACES_MAX)
    throw new FaultError({
      code: 'transaction-invalid',
      detail: `${txid} has ${places} inputs and outputs, and what comes before a topic may have ${JUDGED_PLACES_MAX}; split it`,
    })
}
