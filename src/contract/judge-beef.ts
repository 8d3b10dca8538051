import { accepted, type Outcome, refused } from '../core/fault.ts'
import type { Beef as History } from '../core/rounds/judging/history.ts'
import { type Admission, type Host, judge } from '../core/rounds/judging/judge.ts'
import type { PipelineTransaction } from '../core/rounds/pipeline.ts'
import { BEEF_BYTES_MAX, type Beef, type BeefTransaction, readBeef } from './beef.ts'
import { isPipelineOutput, pipelineTransaction } from './pipeline-transaction.ts'

/**
 * Whether a pipeline transaction is admitted, and by which topic: a function of the BEEF and the host's
 * configuration alone. Scripts, amounts and block headers are not looked at here (spend.ts, headers.ts).
 */
export function judgeBeef(bytes: Uint8Array, host: Host, bytesMax = BEEF_BYTES_MAX): Outcome<Admission> {
  const beef = readBeef(bytes, { bytesMax })
  return beef.ok ? judgeHistory(beef.value, host) : beef
}

/** The same, for a BEEF that was read before. */
export function judgeHistory(beef: Beef, host: Host): Outcome<Admission> {
  const history = readHistory(beef)
  return history.ok ? judge(beef.subject.txid, history.value, host) : history
}

/** Every transaction of a BEEF as the judging rules see it, or a fault where the BEEF is not in history form. */
export function readHistory(beef: Beef): Outcome<History> {
  const why = shortened(beef)
  if (why !== undefined) return refused('not-admitted', why)
  const transactions = beef.transactions.map(inPipeline)
  return accepted(new Map(transactions.map(each => [each.txid, each])))
}

/**
 * History form: block proofs on fuel only. A proof in place of a token's ancestors would hide what the rules
 * are about, so what spends such a token is not judged; the same transaction may come again with its history.
 */
function shortened({ subject, transactions, byTxid }: Beef): string | undefined {
  const proven = (txid: string) => byTxid.get(txid)?.proof !== undefined
  const hidden =
    (proven(subject.txid) && subject.outputs.some(isPipelineOutput)) ||
    transactions.some(
      transaction =>
        transaction.proof === undefined &&
        transaction.inputs.some(
          ({ txid, vout }) => proven(txid) && isPipelineOutput(byTxid.get(txid)?.outputs[vout]),
        ),
    )
  return hidden
    ? 'a block proof stands in place of the history of a token; send its ancestors in full, without it'
    : undefined
}

/** What is proven serves as fuel here, whatever else it was in its time; where its own coins came from is settled. */
function inPipeline(transaction: BeefTransaction): PipelineTransaction {
  return transaction.proof === undefined
    ? pipelineTransaction(transaction)
    : { txid: transaction.txid, inputs: [], role: { kind: 'plain' } }
}
