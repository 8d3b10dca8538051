import { sha256Hex } from '#sha256'
import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { resultTransaction } from '../../src/contract/pipeline-outputs.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { signUpload, type Work, workHash, writeWork } from '../../src/contract/work.ts'
import { toHex } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { noLeaf, type Outpoint, type ResultStatus } from '../../src/core/rounds/pipeline.ts'
import type { AgentJob } from './read-job.ts'

/** What goes to the coordinator: the bytes to store, and the result that votes for them. */
export type JobAnswer = {
  readonly status: ResultStatus
  readonly jobOutpoint: Outpoint
  readonly output: Uint8Array
  /** Of the upload, as its query states it. */
  readonly upload: Readonly<Record<string, string>>
  readonly result: BeefTransaction
  /** In history form. */
  readonly beef: Uint8Array
}

/**
 * A function of job and work alone, to the byte: after a restart the same is said again, and nobody can take it for a
 * second answer to one seat. So there is no time in it.
 */
export function answerOf(job: AgentJob, work: Work, isRefused: boolean, key: Issuer): JobAnswer {
  const { transaction, history, facts, seat, stage } = job
  const jobOutpoint = { txid: transaction.txid, vout: seat }
  const leaves = work.map(member => member.leaf)
  const status = isRefused ? 'rejected' : leaves.every(leaf => leaf === noLeaf) ? 'failed' : 'completed'
  const output = writeWork(work)
  const sha256 = sha256Hex(output)
  const evidence = [{ agentId: key.identityKey, inputHash: facts.inputHash, outputHash: sha256, step: stage }]
  const result = resultTransaction(key, facts, transaction, seat, {
    status,
    leaves,
    workHash: workHash(key.identityKey, jobOutpoint, output),
    evidenceHash: sha256Hex(canonicalJson(evidence)),
  })
  const signature = signUpload(key.privateKey, { jobOutpoint, sha256, length: output.length })
  return {
    status,
    jobOutpoint,
    output,
    upload: {
      jobOutpoint: `${transaction.txid}.${seat}`,
      sha256,
      length: String(output.length),
      agentKey: key.identityKey,
      signature: toHex(signature),
    },
    result,
    beef: writeBeef([...history, result]),
  }
}

/** What is said of a job that has come whole and is none to work on. */
export function noAnswers({ facts }: AgentJob): Work {
  const nothing = new Uint8Array(0)
  return facts.members.map(() => ({ leaf: noLeaf, output: nothing, state: nothing }))
}
