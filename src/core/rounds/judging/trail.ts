import type { JobFacts, Leaf, PipelineTransaction, ResultStatus } from '../pipeline.ts'
import { type Beef, roleAt } from './history.ts'

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
export function trailOf(certificate: PipelineTransaction, beef: Beef): TrailStage[] {
  const trail: TrailStage[] = []
  let spender: PipelineTransaction | undefined = certificate
  while (spender !== undefined) {
    const job = jobBehind(spender, beef)
    if (job?.role.kind !== 'job') break
    const { facts, seats } = job.role
    trail.push({ txid: job.txid, facts, asked: seats.length, answers: answersIn(spender, job, beef) })
    spender = job
  }
  return trail
}

function jobBehind({ inputs }: PipelineTransaction, beef: Beef): PipelineTransaction | undefined {
  const thread = inputs.find(input => roleAt(input, beef)?.kind === 'job')
  return thread && beef.get(thread.txid)
}

function answersIn(spender: PipelineTransaction, job: PipelineTransaction, beef: Beef): TrailAnswer[] {
  return spender.inputs.flatMap(input => {
    const result = roleAt(input, beef)
    if (result?.kind !== 'result' || job.role.kind !== 'job') return []
    const seat = job.role.seats[result.jobOutpoint.vout]
    if (seat === undefined) return []
    const { operator, agentKey } = seat
    return [{ txid: input.txid, operator, agentKey, status: result.status, leaves: result.leaves }]
  })
}
