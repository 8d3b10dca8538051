import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type History, named } from '../core/rounds/judging/history.ts'
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
  if (!beef.ok) return beef
  const history = readHistory(beef.value)
  return history.ok ? judge(beef.value.subject.txid, history.value, host) : history
}

/** A round of the most seats has 13: three jobs, nine results and the certificate. */
const PIPELINE_TRANSACTIONS_MAX = 64

/**
 * Every transaction of a BEEF as the judging rules see it, or a fault where the BEEF is not in history form or
 * a token in it is none. The first such ends the reading: each token costs its reader two signatures.
 */
export function readHistory(beef: Beef): Outcome<History> {
  const why = shortened(beef) ?? crowded(beef)
  if (why !== undefined) return refused('not-admitted', why)
  const history = new Map<string, PipelineTransaction>()
  for (const transaction of beef.transactions) {
    const read = inPipeline(transaction)
    if (read.role.kind === 'malformed')
      return refused('not-admitted', `${named(read.txid)}: ${read.role.why}`)
    history.set(read.txid, read)
  }
  return accepted(history)
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

function crowded({ transactions }: Beef): string | undefined {
  const inPipeline = transactions.filter(
    ({ proof, outputs }) => proof === undefined && outputs.some(isPipelineOutput),
  )
  return inPipeline.length > PIPELINE_TRANSACTIONS_MAX
    ? `the BEEF holds ${inPipeline.length} transactions with tokens, and no round more than ${PIPELINE_TRANSACTIONS_MAX}`
    : undefined
}

/** What is proven serves as fuel here, whatever else it was in its time; where its own coins came from is settled. */
function inPipeline(transaction: BeefTransaction): PipelineTransaction {
  return transaction.proof === undefined
    ? pipelineTransaction(transaction)
    : { txid: transaction.txid, inputs: [], role: { kind: 'plain' } }
}
