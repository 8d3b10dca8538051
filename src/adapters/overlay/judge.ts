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
  /** Stored transactions with all they need, what the database knows of them, and the values they came with. */
  recall(txids: readonly string[]): Promise<{
    transactions: readonly BeefTransaction[]
    known: Known
    offChainValues: ReadonlyMap<string, Uint8Array>
  }>
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
      for (const transaction of submission.beef.transactions) {
        await bench.judgeOpen(transaction)
        // At once, as the next one in the BEEF may spend what these are given now.
        await bench.judgeLate()
      }
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
  readonly #values = new Map<string, Uint8Array>()
  #lateJudgements = 0

  constructor(submission: Submission, known: Known, deps: JudgeDeps) {
    this.#submission = submission
    this.#deps = deps
    this.known = known
    this.#byTxid = new Map(submission.beef.byTxid)
    const { beef, offChainValues } = submission
    if (offChainValues !== undefined) this.#values.set(beef.subject.txid, offChainValues)
  }

  async judgeOpen(transaction: BeefTransaction): Promise<void> {
    const open = this.#submission.topics.filter(
      topic => !isFinal(this.known.applied(transaction.txid, topic)) && this.#concerns(transaction, topic),
    )
    await this.#judge(transaction, open)
  }

  async judgeLate(): Promise<void> {
    for (let batch = [...this.#late]; batch.length > 0; batch = [...this.#late]) {
      this.#late.clear()
      this.#lateJudgements += batch.length
      if (this.#lateJudgements > LATE_JUDGEMENTS_MAX)
        throw new FaultError({
          code: 'transaction-invalid',
          detail: `more than ${LATE_JUDGEMENTS_MAX} stored transactions descend from what is new here, and would have to be judged again; submit the latest of its transactions first`,
        })
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
    const byTxid = this.#byTxid
    const offChainValues = this.#values.get(transaction.txid)
    const answers = await this.#deps.hear({
      transaction,
      topics,
      history: () => ancestry({ subject: transaction, byTxid }),
      holds: (outpoint, topic) =>
        this.#holds(outpoint, topic) || this.#tookBefore(transaction, outpoint, topic),
      ...(offChainValues !== undefined && { offChainValues }),
    })
    for (const [topic, answer] of answers) this.#take(transaction, topic, answer)
  }

  #take(transaction: BeefTransaction, topic: string, fresh: Applied): void {
    const answer = widened(this.known.applied(transaction.txid, topic), fresh)
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
    const { transactions, known, offChainValues } = await this.#deps.recall(txids)
    for (const [txid, values] of offChainValues) if (!this.#values.has(txid)) this.#values.set(txid, values)
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

  /** A coin that its topic let go of when this transaction spent it was there when it was judged, and is again. */
  #tookBefore({ txid, inputs }: BeefTransaction, outpoint: Outpoint, topic: string): boolean {
    const removed = this.known.applied(txid, topic)?.removed ?? []
    return removed.some(index => sameOutpoint(inputs[index], outpoint))
  }

  #wasAdmitted({ txid, vout }: Outpoint, topic: string): boolean {
    return this.known.applied(txid, topic)?.admitted.includes(vout) ?? false
  }
}

/** What was admitted stays admitted: others have built on it. */
function widened(before: Applied | undefined, fresh: Applied): Applied {
  if (before === undefined) return fresh
  const union = (a: readonly number[], b: readonly number[]) =>
    [...new Set([...a, ...b])].sort((x, y) => x - y)
  const removed = union(before.removed, fresh.removed)
  return {
    admitted: union(before.admitted, fresh.admitted),
    retained: union(before.retained, fresh.retained).filter(index => !removed.includes(index)),
    removed,
  }
}

function sameOutpoint(a: Outpoint | undefined, b: Outpoint): boolean {
  return a !== undefined && a.txid === b.txid && a.vout === b.vout
}

function refuseTooWide({ txid, inputs, outputs }: BeefTransaction): void {
  const places = inputs.length + outputs.length
  if (places > JUDGED_PLACES_MAX)
    throw new FaultError({
      code: 'transaction-invalid',
      detail: `${txid} has ${places} inputs and outputs, and what comes before a topic may have ${JUDGED_PLACES_MAX}; split it`,
    })
}
