import { type BeefTransaction, writeBeef } from '../../src/contract/beef.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import type { TokenTag } from '../../src/contract/tokens.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { type Level, quorums } from '../../src/core/level.ts'
import { noLeaf, type Outpoint } from '../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../src/core/rounds/round.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import * as pipeline from '../support/pipeline.ts'
import { type Facts, output, type Party, party, payTo, type Seat } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'

/* A round whose packets nobody sealed and nobody worked on: every leaf is the hash of a name. */

export const coordinator = party('coordinator')
export const agents = [party('agent 1'), party('agent 2'), party('agent 3')] as const
export const operators = [party('operator 1'), party('operator 2'), party('operator 3')] as const
export const roundId = sha256Hex('round')

export const deadlineMs = 1_700_000_060_000
export const operatorFromMs = deadlineMs - 1000
export const operatorToMs = deadlineMs + 1000

const asker = { coordinator, subject: roundId }
const seatOf = (seat: number): Seat => ({
  agent: agents[seat] ?? agents[0],
  operator: operators[seat] ?? operators[0],
  operatorFromMs,
  operatorToMs,
})

export function coins(label: string, count: number, satoshis?: number): Transaction {
  return pipeline.coins(coordinator, label, count, satoshis)
}

export function p2pkhSpend(parent: Transaction, vout: number, owner: Party = coordinator): Spend {
  return pipeline.p2pkhSpend(parent, vout, owner)
}

export function tokenSpend(parent: Transaction, vout: number, tag: TokenTag, owner: Party): Spend {
  return pipeline.tokenSpend(parent, vout, tag, roundId, owner)
}

export function factsOf(stage: Stage, level: Level, members: number[], inputRoot: string = noLeaf): Facts {
  const inputHash = sha256Hex('round document')
  const outputBytesMax = 1 << 20
  return { template: 'packet', stage, level, members, inputRoot, inputHash, deadlineMs, outputBytesMax }
}

export function seatScript(facts: Facts, seat: number, inputs: readonly Outpoint[] = []): Uint8Array {
  return pipeline.seatScript(asker, facts, seatOf(seat), inputs)
}

export function threadScript(facts: Facts, inputs: readonly Outpoint[] = []): Uint8Array {
  return pipeline.threadScript(asker, facts, inputs)
}

export function jobTransaction(facts: Facts, spends: readonly Spend[]): Transaction {
  const seats = Array.from({ length: quorums[facts.level].seats }, (_, seat) => seatOf(seat))
  return pipeline.jobTransaction(asker, facts, seats, spends)
}

export function resultScript(facts: Facts, job: Transaction, seat: number, leaves: string[]): Uint8Array {
  const jobOutpoint = { txid: job.txid, vout: seat }
  return pipeline.resultScript(asker, facts, jobOutpoint, seatOf(seat).agent, answerWith(leaves))
}

export function resultTransaction(
  facts: Facts,
  job: Transaction,
  seat: number,
  leaves: string[],
): Transaction {
  return pipeline.resultTransaction(asker, facts, job, seat, seatOf(seat).agent, answerWith(leaves))
}

function answerWith(leaves: string[]): pipeline.Answer {
  return { status: 'completed', leaves, workHash: sha256Hex('work'), evidenceHash: sha256Hex('evidence') }
}

export function certificateScripts(level: Level, index: number, versionId: string) {
  const packetId = sha256Hex(`packet ${index}`)
  return pipeline.certificateScripts(asker, { level, index, packetId, versionId, parents: [] })
}

/** From fuel to certificate, every seat answering alike. */
export function madeUpRound(level: Level, memberCount: number) {
  const members = Array.from({ length: memberCount }, (_, i) => i)
  const { seats } = quorums[level]
  const [, fuel] = mine([coins('another', 1), coins('fuel', 4), coins('a third', 1)])
  if (fuel === undefined) throw new Error('no fuel')
  const history: BeefTransaction[] = [fuel]
  let inputRoot: string = noLeaf
  let step: Spend[] = []
  for (const [i, stage] of (['normalize', 'validate', 'certify'] as const).entries()) {
    const facts = factsOf(stage, level, members, inputRoot)
    const leaves = members.map(member => sha256Hex(`${stage} of ${member}`))
    const job = jobTransaction(facts, [...step, p2pkhSpend(fuel, i)])
    const results = Array.from({ length: seats }, (_, seat) => resultTransaction(facts, job, seat, leaves))
    history.push(job, ...results)
    inputRoot = rootOver(leaves)
    step = [
      ...results.map(result => tokenSpend(result, 0, 'GDR1', coordinator)),
      tokenSpend(job, seats, 'GDJ1', coordinator),
    ]
  }
  const scripts = members.flatMap(member =>
    certificateScripts(level, member, sha256Hex(`certify of ${member}`)),
  )
  const certificate = signTransaction(
    [...step, p2pkhSpend(fuel, 3)],
    [...scripts.map((script, i) => output(script, i % 2)), payTo(coordinator, 500)],
  )
  history.push(certificate)
  return { history, certificate, beef: writeBeef(history), fuel }
}
