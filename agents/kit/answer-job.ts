import { setImmediate as nextTurn } from 'node:timers/promises'
import { baseTopics } from '../../src/contract/names.ts'
import { ROUNDS_PATH } from '../../src/contract/round-locations.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { fromUtf8 } from '../../src/core/bytes.ts'
import { accepted, type Fault, type Outcome } from '../../src/core/fault.ts'
import { backOff } from '../../src/runtime/back-off.ts'
import { crashPoint } from '../../src/runtime/crash-point.ts'
import { pause } from '../../src/runtime/pause.ts'
import { withAnyOf } from '../../src/runtime/with-any-of.ts'
import type { AnswerAggregate } from './aggregate-task.ts'
import { fetchAggregate, workOnAggregate } from './aggregate-work.ts'
import type { BytesAtOnce } from './bytes-at-once.ts'
import type { Call, CallAnswer, CallRequest } from './call.ts'
import { type FetchDeps, fetchParts } from './fetch-parts.ts'
import type { AnswerPacket } from './packet-task.ts'
import type { AgentJob } from './read-job.ts'
import { answerOf, type JobAnswer, noAnswers } from './result.ts'
import { type Worked, type WorkFault, workOn } from './work-on.ts'

export type AnswerDeps = FetchDeps & {
  /** Of all jobs that are worked on. */
  readonly bytesAtOnce: BytesAtOnce
  readonly key: Issuer
  readonly call: Call
  readonly answer: AnswerPacket
  /** Without it no job over an aggregate is taken. */
  readonly answerAggregate?: AnswerAggregate | undefined
  readonly stop: AbortSignal
  /** A step that has failed, and is taken again. */
  onRetry(error: Error): void
}

export type Answered = {
  readonly status: JobAnswer['status']
  readonly outputBytes: number
  readonly faults: readonly WorkFault[]
  /** Why the job was not worked on. */
  readonly refusal: Fault | undefined
}

/** From a job that was taken to a result that the coordinator has. Rejects where the deadline comes first. */
export async function answerJob(job: AgentJob, agent: AnswerDeps): Promise<Answered> {
  crashPoint('agent.taken')
  const within = untilDeadlineOf(job, agent)
  const place = agent.bytesAtOnce.open(job.facts.coordinator)
  try {
    return await answerAtPlace(job, {
      ...agent,
      call: (url, request) => within(stop => agent.call(url, { ...request, stop })),
      takeBytes: bytes => within(stop => place.take(bytes, stop)),
    })
  } finally {
    place.release()
  }
}

/** One step makes many calls, to whoever the job names, and none of them may keep the place that the job takes; nor may a wait. */
function untilDeadlineOf({ facts }: AgentJob, { stop, now }: AnswerDeps) {
  const late = AbortSignal.timeout(Math.max(facts.deadlineMs - now(), 0))
  return <T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> => withAnyOf([late, stop], work)
}

async function answerAtPlace(job: AgentJob, deps: AnswerDeps): Promise<Answered> {
  const { answerAggregate } = deps
  const worked =
    job.facts.template === 'aggregate' && answerAggregate !== undefined
      ? await onAggregate(job, answerAggregate, deps)
      : await onPackets(job, deps)
  if (!worked.ok) {
    const refusal = answerOf(job, noAnswers(job), true, deps.key)
    await hand(job, refusal, deps)
    return { status: refusal.status, outputBytes: 0, faults: [], refusal: worked.fault }
  }
  const { work, faults } = worked.value
  crashPoint('agent.worked')
  const answer = answerOf(job, work, false, deps.key)
  crashPoint('agent.signed')
  await hand(job, answer, deps)
  return { status: answer.status, outputBytes: answer.output.length, faults, refusal: undefined }
}

async function onPackets(job: AgentJob, deps: AnswerDeps): Promise<Outcome<Worked>> {
  const parts = await untilDeadline(job, deps, () => fetchParts(job, deps))
  crashPoint('agent.fetched')
  if (!parts.ok) return parts
  const working = workOn(job, parts.value, deps.answer)
  let step = working.next()
  for (; step.done !== true; step = working.next()) await nextTurn()
  return accepted(step.value)
}

async function onAggregate(
  job: AgentJob,
  answer: AnswerAggregate,
  deps: AnswerDeps,
): Promise<Outcome<Worked>> {
  const task = await untilDeadline(job, deps, () => fetchAggregate(job, deps))
  crashPoint('agent.fetched')
  return task.ok ? accepted(workOnAggregate(job, task.value, answer)) : task
}

/** The bytes first: a result that votes for what nobody has counts for nothing. */
async function hand(job: AgentJob, answer: JobAnswer, deps: AnswerDeps): Promise<void> {
  const nodes = nodesOf(job)
  await untilDeadline(job, deps, () => atAnyOf(nodes, node => upload(node, answer, deps)))
  crashPoint('agent.uploaded')
  await untilDeadline(job, deps, () => atAnyOf(nodes, node => submitResult(node, job, answer, deps)))
  crashPoint('agent.answered')
}

/** Where the parts of a round are, its coordinator is. */
export function nodesOf({ locations }: Pick<AgentJob, 'locations'>): string[] {
  const bases = locations.map(location => location.replace(/\/$/, ''))
  return [
    ...new Set(bases.map(base => (base.endsWith(ROUNDS_PATH) ? base.slice(0, -ROUNDS_PATH.length) : base))),
  ]
}

async function upload(node: string, answer: JobAnswer, deps: AnswerDeps): Promise<void> {
  const query = new URLSearchParams(answer.upload)
  await send(`${node}/uhrp/uploads?${query}`, deps, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: answer.output,
  })
}

async function submitResult(node: string, job: AgentJob, answer: JobAnswer, deps: AnswerDeps): Promise<void> {
  const topic = baseTopics[job.stage]
  const { body } = await send(`${node}/submit`, deps, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'x-topics': JSON.stringify([topic]) },
    body: answer.beef,
  })
  if (!admits(body, topic))
    throw new FinalError(`${node} did not admit result ${answer.result.txid} to ${topic}`)
}

/** A result that was admitted before is answered with the STEAK of then. */
function admits(steak: Uint8Array, topic: string): boolean {
  try {
    const read: unknown = JSON.parse(fromUtf8(steak) ?? '')
    const of: unknown = isObject(read) ? read[topic] : undefined
    const outputs: unknown = isObject(of) ? of['outputsToAdmit'] : undefined
    return Array.isArray(outputs) && outputs.includes(0)
  } catch {
    // Not JSON: no STEAK, and nothing is admitted by it.
    return false
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Not to be had by trying again. */
class FinalError extends Error {}

async function send(url: string, { call }: AnswerDeps, request: CallRequest): Promise<CallAnswer> {
  const answer = await call(url, request)
  if (answer.status >= 200 && answer.status < 300) return answer
  const said = (fromUtf8(answer.body) ?? '').slice(0, SAID_CHARS_MAX)
  const why = `${request.method} ${new URL(url).pathname} was answered with ${answer.status}: ${said}`
  throw passing(answer.status) ? new Error(why) : new FinalError(why)
}

const SAID_CHARS_MAX = 300

/** What may be otherwise a moment later; any other refusal is for good. */
function passing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429
}

/** The first that takes it; for good only where all of them say so. */
async function atAnyOf(nodes: readonly string[], sendTo: (node: string) => Promise<void>): Promise<void> {
  let worst: unknown = new FinalError('the job names no location, so nobody is known to send the answer to')
  for (const node of nodes) {
    try {
      await sendTo(node)
      return
    } catch (error) {
      if (worst instanceof FinalError) worst = error
    }
  }
  throw worst
}

async function untilDeadline<T>(job: AgentJob, deps: AnswerDeps, step: () => Promise<T>): Promise<T> {
  const { now, stop, onRetry } = deps
  for (let failures = 1; ; failures++) {
    try {
      return await step()
    } catch (caught) {
      const error = caught instanceof Error ? caught : new Error(String(caught))
      const pauseMs = Math.random() * backOff(failures, { firstMs: RETRY_MS, longestMs: RETRY_MS_MAX })
      if (error instanceof FinalError || stop.aborted) throw error
      if (now() + pauseMs >= job.facts.deadlineMs)
        throw new Error(`the deadline came first: ${error.message}`, { cause: error })
      onRetry(error)
      await pause(pauseMs, stop)
    }
  }
}

const RETRY_MS = 200
const RETRY_MS_MAX = 5_000
