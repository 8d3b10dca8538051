import type { Fault, FaultCode } from '../../core/fault.ts'
import type { AcceptRefusal } from '../../ingest/arrived.ts'
import type { Problem } from '../problem.ts'
import { answered, type Taken } from './taken.ts'

export const ingestionDisabled: Problem = {
  code: 'ingestion-disabled',
  detail: 'EVENT_INGESTION_ENABLED is false',
  retryAfterSeconds: 60,
}

/** How it is told why no more was taken. */
export function refusalProblem(refusal: AcceptRefusal): Problem {
  switch (refusal.why) {
    case 'unknown-stream':
      return {
        code: 'stream-not-found',
        detail: `stream "${refusal.streamId.slice(0, 256)}" is none that this source may write to`,
      }
    case 'unpublished':
      return { code: 'stream-unpublished', detail: `stream "${refusal.streamId}" takes nothing` }
    case 'key-reused':
      return {
        code: 'idempotency-key-reused',
        detail: 'the Idempotency-Key, or webhook-id, came before with another request',
      }
    case 'rate':
      return later('rate-limited', `the rate limit ${refusal.limit} is reached`, refusal.retryAfterS)
    case 'quota':
      return later('quota-exceeded', `the quota ${refusal.limit} is used up`, refusal.retryAfterS)
    case 'backlog':
      return later('backlog', 'more events wait than this node allows', refusal.retryAfterS)
    case 'disk':
      return later('storage-full', 'the disk has less room than this node keeps free', refusal.retryAfterS)
  }
}

function later(code: Problem['code'], detail: string, retryAfterSeconds: number): Problem {
  return { code, detail, retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)) }
}

/** What ended a request in the middle, and where to go on: what is counted is durable, and stays so. */
export function endedIn(problem: Problem, { counts }: Taken): Problem {
  const nextItem = answered(counts)
  return nextItem === 0 ? problem : { ...problem, more: { ...problem.more, counts, nextItem } }
}

/** How it is told what is wrong with a body as a whole; the code of the fault says it to programs. */
export function bodyFault({ code, detail, pointer }: Fault): Problem {
  return {
    code: bodyCodes[code] ?? 'bad-request',
    detail,
    hint: detail,
    more: { fault: code, ...(pointer !== undefined && { pointer }) },
  }
}

const bodyCodes: Partial<Record<FaultCode, Problem['code']>> = {
  'json-too-large': 'body-too-large',
  'body-too-large': 'body-too-large',
  'body-type-unknown': 'media-type-unsupported',
}
