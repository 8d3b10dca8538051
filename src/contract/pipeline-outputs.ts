import { anchorScript } from '../core/certificate/anchor.ts'
import type { Level } from '../core/level.ts'
import type { JobFacts, Outpoint } from '../core/rounds/pipeline.ts'
import { fuelHashOf } from './fuel-hash.ts'
import type { OperatorWord } from './operator.ts'
import { type Spend, signTransaction } from './spend.ts'
import type { TokenBodies } from './token-bodies.ts'
import { type Issuer, spendingKey, type TokenTag, tokenScript } from './tokens.ts'
import type { Output, Transaction } from './transaction.ts'

/*
 * The outputs of pipeline transactions, in the order that pipeline-transaction.ts reads them in, and the spends that
 * join one to the next.
 */

export type SeatFor = {
  readonly agentKey: string
  readonly word: OperatorWord
  /** Pays for the result, and is its output's satoshi. */
  readonly satoshis: number
}

/** Seats first, then the thread. The coordinator is the issuer; `inputs` are all that the transaction will spend. */
export function jobOutputs(
  coordinator: Issuer,
  facts: JobFacts,
  seats: readonly SeatFor[],
  locations: readonly string[],
  inputs: readonly Outpoint[],
): Output[] {
  const fuelHash = fuelHashOf(facts, inputs)
  const said = {
    ...statedFacts(facts),
    locations: [...locations],
    ...(fuelHash !== undefined && { fuelHash }),
  }
  const thread = { ...said, agentKey: coordinator.identityKey }
  return [
    ...seats.map(({ agentKey, word, satoshis }) => {
      const { operator, operatorSig, operatorFromMs, operatorToMs } = word
      const seat = { ...said, agentKey, operator, operatorSig, operatorFromMs, operatorToMs }
      return { satoshis, script: tokenScript('GDJ1', coordinator, facts.subject, seat) }
    }),
    { satoshis: 1, script: tokenScript('GDJ1', coordinator, facts.subject, thread) },
  ]
}

/** What an agent says; a leaf per member of the job. */
export type ResultSaid = Pick<TokenBodies['GDR1'], 'status' | 'leaves' | 'workHash' | 'evidenceHash'>

/** The whole transaction: its one input is the seat, and what the seat holds beyond a satoshi is its fee. */
export function resultTransaction(
  agent: Issuer,
  facts: JobFacts,
  job: Transaction,
  seat: number,
  said: ResultSaid,
): Transaction {
  const { coordinator, subject } = facts
  const jobOutpoint = { txid: job.txid, vout: seat }
  const body = { ...statedFacts(facts), coordinator, jobOutpoint, ...said }
  const script = tokenScript('GDR1', agent, subject, body)
  return signTransaction([pipelineSpend(job, seat, 'GDJ1', subject, agent)], [{ satoshis: 1, script }])
}

export type CertifiedMember = {
  readonly index: number
  readonly packetId: string
  readonly versionId: string
  readonly parents: readonly string[]
  readonly supersedes?: string
}

/** Per member its anchor, then its token. */
export function certificateOutputs(
  coordinator: Issuer,
  certificate: { readonly subject: string; readonly template: string; readonly level: Level },
  members: readonly CertifiedMember[],
): Output[] {
  const { subject: roundId, template, level } = certificate
  return members.flatMap(({ index, packetId, versionId, parents, supersedes }) => {
    const body = {
      roundId,
      index,
      template,
      level,
      packetId,
      ...(supersedes !== undefined && { supersedes }),
    }
    return [
      { satoshis: 0, script: anchorScript({ manifestHash: versionId, parents }) },
      { satoshis: 1, script: tokenScript('GDC1', coordinator, versionId, body) },
    ]
  })
}

/** A step spends the thread and every result at hand; the subject is the round's. */
export function stepSpends(
  coordinator: Issuer,
  subject: string,
  job: { readonly transaction: Transaction; readonly seats: number },
  results: readonly Transaction[],
): Spend[] {
  return [
    pipelineSpend(job.transaction, job.seats, 'GDJ1', subject, coordinator),
    ...results.map(result => pipelineSpend(result, 0, 'GDR1', subject, coordinator)),
  ]
}

/** Spends a token by whom it is locked to. */
export function pipelineSpend(
  parent: Transaction,
  vout: number,
  tag: TokenTag,
  subject: string,
  owner: Issuer,
): Spend {
  const spent = parent.outputs[vout]
  if (spent === undefined) throw new Error(`transaction ${parent.txid} has no output ${vout} to spend`)
  return { txid: parent.txid, vout, spent, privateKey: spendingKey(tag, subject, owner.privateKey) }
}

/** As tokens state them: who asks and about what stands beside the body. */
function statedFacts(facts: JobFacts) {
  const { template, stage, level, members, inputRoot, inputHash, deadlineMs, outputBytesMax } = facts
  return { template, stage, level, members: [...members], inputRoot, inputHash, deadlineMs, outputBytesMax }
}
