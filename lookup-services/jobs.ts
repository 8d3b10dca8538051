import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readPipelineToken } from '../src/contract/pipeline-tokens.ts'
import { operatorWord, type TokenOf } from '../src/contract/tokens.ts'
import { outpointText } from '../src/contract/transaction.ts'
import { utf8 } from '../src/core/bytes.ts'
import { cursorOf } from './cursor.ts'
import { jobsLookupDocumentation } from './jobs-documentation.ts'
import type { JobEntry, JobsIndex, ListedJob } from './jobs-index.ts'
import { readJobsQuery } from './jobs-query.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'

/** `ls_gitdata_jobs`: who was asked to work on what, and what was answered. */
export class JobsLookupService extends ListingService<JobEntry> {
  constructor(index: JobsIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    super({
      // A token is admitted by the topic of its own stage alone.
      topics: [baseTopics.normalize, baseTopics.validate, baseTopics.certify],
      index,
      entryIn: tokenIn,
      find: async query => {
        const found = await index.find(readJobsQuery(baseLookupServices.jobs, query))
        return found.map(job => ({ txid: job.txid, outputIndex: job.vout, context: contextOf(job) }))
      },
      answersInPart: true,
      documentation: jobsLookupDocumentation,
      name: 'Jobs and results',
      shortDescription:
        'Finds seats, threads and results by round, job, agent, operator, stage, status and time.',
      informationUrl,
    })
  }
}

function tokenIn(output: AdmittedScript): JobEntry | undefined {
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
