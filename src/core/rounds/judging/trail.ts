import type { JobFacts, Leaf, PipelineTransaction, ResultStatus } from '../pipeline.ts'
import { type History, roleAt } from './history.ts'

/** One stage behind a certificate: who was asked, and what those answered whose results were spent. */
export type TrailStage = {
  readonly txid: string
  readonly facts: JobFacts
  readonly asked: number
  readonly answers: readonly TrailAnswer[]
}

export type TrailAnswer = {
  readonly txid: string
  readonly operator: string
  readonly agentKey: string
  readonly status: ResultStatus
  /** By member of the job. */
  readonly leaves: readonly Leaf[]
}

/** The jobs behind a transaction that the judge has admitted, last stage first. */
export function trailOf(certificate: PipelineTransaction, history: History): TrailStage[] {
  const trail: TrailStage[] = []
  let spender: PipelineTransaction | undefined = certificate
  while (spender !== undefined) {
    const job = jobBehind(spender, history)
    if (job?.role.kind !== 'job') break
    const { facts, seats } = job.role
    trail.push({ txid: job.txid, facts, asked: seats.length, answers: answersIn(spender, job, history) })
    spender = job
  }
  return trail
}

function jobBehind({ inputs }: PipelineTransaction, history: History): PipelineTransaction | undefined {
  const thread = inputs.find(input => roleAt(input, history)?.kind === 'job')
  return thread && history.get(thread.txid)
}

function answersIn(spender: PipelineTransaction, job: PipelineTransaction, history: History): TrailAnswer[] {
  return spender.inputs.flatMap(input => {
    const result = roleAt(input, history)
    if (result?.kind !== 'result' || job.role.kind !== 'job') return []
    const seat = job.role.seats[result.jobOutpoint.vout]
    if (seat === undefined) return []
    const { operator, agentKey } = seat
    return [{ txid: input.txid, operator, agentKey, status: result.status, leaves: result.leaves }]
  })
}
