import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readPipelineToken } from '../src/contract/pipeline-tokens.ts'
import { operatorWord, type TokenOf } from '../src/contract/tokens.ts'
import { outpointText } from '../src/contract/transaction.ts'
import { utf8 } from '../src/core/bytes.ts'
import { cursorOf } from './cursor.ts'
import { jobsLookupDocumentation } from './jobs-documentation.ts'
import type { JobEntry, JobsIndex, ListedJob } from './jobs-index.ts'
import { readJobsQuery } from './jobs-query.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
  type UnspentOutput,
} from './lookup-service.ts'

/** `ls_gitdata_jobs`: who was asked to work on what, and what was answered. */
export class JobsLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart = true
  readonly #index: JobsIndex
  readonly #informationUrl: string | undefined

  constructor(index: JobsIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    this.#index = index
    this.#informationUrl = informationUrl
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    const token = tokenIn(output)
    if (token !== undefined) await this.#index.put(token)
  }

  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && stageTopics.has(spend.topic))
      await this.#index.markSpent({ txid: spend.txid, vout: spend.outputIndex }, spend.spendingTxid)
  }

  async outputUnspent(output: UnspentOutput): Promise<void> {
    if (stageTopics.has(output.topic))
      await this.#index.markUnspent({ txid: output.txid, vout: output.outputIndex }, output.spendingTxid)
  }

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, of: string): Promise<void> {
    if (stageTopics.has(of)) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const found = await this.#index.find(readJobsQuery(service, query))
    return found.map(job => ({ txid: job.txid, outputIndex: job.vout, context: contextOf(job) }))
  }

  async getDocumentation(): Promise<string> {
    return jobsLookupDocumentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    return {
      name: 'Jobs and results',
      shortDescription:
        'Finds seats, threads and results by round, job, agent, operator, stage, status and time.',
      version: '1.0.0',
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }
}

/** A token is admitted by the topic of its own stage alone. */
const stageTopics: ReadonlySet<string> = new Set([
  baseTopics.normalize,
  baseTopics.validate,
  baseTopics.certify,
])
const service = baseLookupServices.jobs

function tokenIn(output: AdmittedOutput): JobEntry | undefined {
  if (output.mode !== 'locking-script' || !stageTopics.has(output.topic)) return undefined
  const token = readPipelineToken(scriptOf(output))
  if (!token.ok) return undefined
  const place = { txid: output.txid, vout: output.outputIndex }
  if (token.value.tag === 'GDJ1') return { ...place, ...jobEntry(token.value) }
  if (token.value.tag === 'GDR1') return { ...place, ...resultEntry(token.value) }
  return undefined
}

type Said<Entry> = Entry extends unknown ? Omit<Entry, 'txid' | 'vout'> : never

function jobEntry(token: TokenOf<'GDJ1'>): Said<JobEntry> {
  const said = saidOf(token, token.issuer)
  const word = operatorWord(token.body)
  return word === undefined
    ? { ...said, kind: 'thread' }
    : { ...said, kind: 'seat', agentKey: token.body.agentKey, operator: word.operator }
}

function resultEntry(token: TokenOf<'GDR1'>): Said<JobEntry> {
  const { coordinator, jobOutpoint, status, leaves, workHash, evidenceHash } = token.body
  const answered = { jobOutpoint, status, leaves, workHash, evidenceHash }
  return { ...saidOf(token, coordinator), kind: 'result', agentKey: token.issuer, ...answered }
}

function saidOf({ subject, body }: TokenOf<'GDJ1'> | TokenOf<'GDR1'>, coordinator: string) {
  const { template, stage, level, members, inputHash, deadlineMs } = body
  return { coordinator, roundId: subject, template, stage, level, members, inputHash, deadlineMs }
}

/** Only what there is: a thread has no agent, and a seat no answer. */
function contextOf(job: ListedJob): number[] {
  const { kind, roundId, coordinator, template, stage, level, members, inputHash, deadlineMs } = job
  const said = { kind, roundId, coordinator, template, stage, level, members, inputHash, deadlineMs }
  const some = Object.entries({
    agentKey: job.agentKey,
    operator: job.operator,
    jobOutpoint: job.jobOutpoint && outpointText(job.jobOutpoint),
    status: job.status,
    leaves: job.leaves,
    workHash: job.workHash,
    evidenceHash: job.evidenceHash,
    spentBy: job.spentBy,
  }).filter(([, value]) => value !== null)
  const { admittedMs, spentBy } = job
  return [
    ...utf8(
      JSON.stringify({
        admittedMs,
        cursor: cursorOf(job),
        ...said,
        ...Object.fromEntries(some),
        spent: spentBy !== null,
      }),
    ),
  ]
}
