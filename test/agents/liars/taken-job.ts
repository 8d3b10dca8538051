import { sha256Hex } from '#sha256'
import { type Beef, type BeefTransaction, writeBeef } from '../../../src/contract/beef.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { pipelineSpend, type ResultSaid, resultTransaction } from '../../../src/contract/pipeline-outputs.ts'
import { pipelineTransaction } from '../../../src/contract/pipeline-transaction.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { signUpload, type Work, workHash, writeWork } from '../../../src/contract/work.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import type { JobFacts } from '../../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../../src/core/rounds/template.ts'
import { type Party, payTo } from '../../support/pipeline.ts'
import { type HonestWork, workHonestly } from './honest-work.ts'

/**
 * A job in the hands of an agent that does nothing by itself: every step that the kit takes for honest agents is a call
 * here, so that each can be left out, repeated or done wrong. Written from docs/formats.md, beside the kit; only the work
 * itself is the kit's.
 */
export type TakenJob = {
  readonly agent: Party
  readonly nodeUrl: string
  readonly beef: Beef
  readonly job: BeefTransaction
  readonly seat: number
  readonly facts: JobFacts
  /** Of each member, in the job's order. */
  readonly packetIds: () => Promise<readonly string[]>
  /** What an honest agent of the stage answers. */
  readonly honestWork: () => Promise<Work>
  upload(bytes: Uint8Array, announced?: { readonly length: number }): Promise<number>
  /** What is said of this work, which may be changed before it is signed. */
  said(work: Work): ResultSaid
  /** By `agent`, or by whom else it says; it repeats the facts of the job, or others. */
  result(said: ResultSaid, by?: Party, stated?: JobFacts): Transaction
  /** Spends the seat to a coin of the agent's own. */
  seatToMyself(): Transaction
  /** To the node, in history form; resolves with the HTTP status. */
  submit(result: Transaction): Promise<number>
  /** To the network itself, past the node's overlay. */
  broadcast(transaction: Transaction): Promise<number>
}

export function readTakenJob(agent: Party, beef: Beef, nodeUrl: string): TakenJob | undefined {
  const job = beef.subject
  const { role } = pipelineTransaction(job)
  if (role.kind !== 'job') return undefined
  const { facts, seats } = role
  const seat = seats.findIndex(({ agentKey }) => agentKey === agent.identityKey)
  if (seat < 0) return undefined
  const jobOutpoint = { txid: job.txid, vout: seat }
  let done: Promise<HonestWork> | undefined
  const honestly = () => {
    done ??= workHonestly(beef, agent, nodeUrl)
    return done
  }

  return {
    agent,
    nodeUrl,
    beef,
    job,
    seat,
    facts,
    packetIds: async () => (await honestly()).packetIds,
    honestWork: async () => (await honestly()).work,
    async upload(bytes, announced = { length: bytes.length }) {
      const sha256 = sha256Hex(bytes)
      const { length } = announced
      const signature = signUpload(agent.privateKey, { jobOutpoint, sha256, length })
      const query = new URLSearchParams({
        jobOutpoint: `${job.txid}.${seat}`,
        sha256,
        length: String(length),
        agentKey: agent.identityKey,
        signature: toHex(signature),
      })
      return statusOf(`${nodeUrl}/uhrp/uploads?${query}`, { method: 'PUT', body: Buffer.from(bytes) })
    },
    said: work => ({
      status: 'completed',
      leaves: work.map(({ leaf }) => leaf),
      workHash: workHash(agent.identityKey, jobOutpoint, writeWork(work)),
      evidenceHash: sha256Hex(canonicalJson([{ agentId: agent.identityKey, step: facts.stage }])),
    }),
    result: (said, by = agent, stated = facts) => resultTransaction(by, stated, job, seat, said),
    seatToMyself: () =>
      signTransaction([pipelineSpend(job, seat, 'GDJ1', facts.subject, agent)], [payTo(agent, 1)]),
    submit: result =>
      statusOf(`${nodeUrl}/submit`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/octet-stream',
          'X-Topics': JSON.stringify([topicOfStage(facts.stage)]),
        },
        body: Buffer.from(writeBeef([...beef.transactions, result])),
      }),
    broadcast: transaction =>
      statusOf(`${nodeUrl}/chain/transactions`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/octet-stream' },
        body: Buffer.from(writeBeef([...beef.transactions, transaction])),
      }),
  }
}

export function topicOfStage(stage: string): string {
  const topics: Record<Stage, string> = baseTopics
  const topic = Object.entries(topics).find(([name]) => name === stage)?.[1]
  if (topic === undefined) throw new Error(`no topic is of stage ${stage}`)
  return topic
}

async function statusOf(url: string, init: RequestInit): Promise<number> {
  const response = await fetch(url, init)
  await response.arrayBuffer()
  return response.status
}
