import type { Request, RequestHandler, Response } from 'express'
import type * as z from 'zod'
import type { Edit, NotChanged } from '../../adapters/publishers/publisher-change.ts'
import { isObject, type Json, type JsonObject } from '../../core/canonical-json.ts'
import type { Fault, Outcome } from '../../core/fault.ts'
import { bySchema } from '../../core/schema.ts'
import type { Authentication } from '../authentication.ts'
import type { Problem } from '../problem.ts'
import { bad } from '../read/query-members.ts'
import { parseJson } from '../read-json.ts'
import { sendProblem } from '../send-problem.ts'

/** What a handler of these routes answers. `version`: of the thing that the answer shows. */
export type Answered =
  | { readonly status?: number; readonly body: object; readonly version?: string }
  | Problem

export type Caller = { readonly identityKey: string; readonly body: Uint8Array }

export const BODY_BYTES_MAX = 512 * 1024

/** A handler for proven identities, whose answers nobody keeps. */
export function proven(
  authentication: Authentication,
  work: (request: Request, caller: Caller) => Promise<Answered>,
  bodyBytesMax = BODY_BYTES_MAX,
): RequestHandler {
  return authentication.requireIdentity(
    async (request, response, caller) => {
      response.set('Cache-Control', 'private, no-store')
      send(response, await work(request, caller))
    },
    { bodyBytesMax },
  )
}

function send(response: Response, given: Answered): void {
  if ('code' in given) {
    sendProblem(response, given)
    return
  }
  if (given.version !== undefined) response.set('ETag', `"${given.version}"`)
  response.status(given.status ?? 200).json(given.body)
}

/** The body as an object of JSON; none counts as an empty one. */
export function readObject(body: Uint8Array): JsonObject | Problem {
  const json = body.length === 0 ? {} : (parseJson(body) as Json | undefined)
  if (json === undefined) return bad('the body is not JSON in UTF-8')
  return isObject(json) ? json : bad('the body is not an object of JSON')
}

export function isProblem(value: object): value is Problem {
  return 'code' in value && 'detail' in value && typeof value.code === 'string'
}

export function readBody<Shape extends z.ZodType>(
  shape: Shape,
  body: Uint8Array,
): { readonly value: z.output<Shape> } | Problem {
  const object = readObject(body)
  if (isProblem(object)) return object
  const read = bySchema(shape, object, 'registration-invalid')
  return read.ok ? { value: read.value } : problemOf(read.fault)
}

/** `pointer` says where in the body. */
export function problemOf({ code, detail, pointer }: Fault): Problem {
  return {
    code: 'bad-request',
    detail: pointer === undefined || pointer === '' ? detail : `${pointer}: ${detail}`,
    more: { fault: code, ...(pointer !== undefined && { pointer }) },
  }
}

/**
 * The version that the caller has seen last: a member of the body, which is signed, or `If-Match`, for clients that may send it.
 * The rest of the body comes along.
 */
export function readSeen(
  request: Request,
  body: Uint8Array,
): { readonly version: string; readonly rest: JsonObject } | Problem {
  const object = readObject(body)
  if (isProblem(object)) return object
  const { version, ...rest } = object
  const header = /^(?:W\/)?"(\d{1,19})"$/.exec(request.get('if-match') ?? '')?.[1]
  const seen = version ?? header
  if (seen === undefined) return versionMissing
  if (typeof seen !== 'string' || !/^\d{1,19}$/.test(seen)) return versionUnreadable
  if (header !== undefined && header !== seen)
    return bad('/version: If-Match names another version; leave one of the two out')
  return { version: seen, rest }
}

const versionMissing: Problem = {
  code: 'version-missing',
  detail: 'it is not said which version was seen last, and somebody else may have changed it since',
}
const versionUnreadable: Problem = bad(
  '/version: not the version that the last answer has shown, as a text of digits',
)

/** What was changed, or why nothing was. */
export function againstEdit<T>(
  outcome: Outcome<Edit<T>>,
): { readonly value: T } | { readonly problem: Problem } {
  if (!outcome.ok) return { problem: problemOf(outcome.fault) }
  return outcome.value.did === 'done'
    ? { value: outcome.value.value }
    : { problem: problemOfNothing(outcome.value) }
}

function problemOfNothing(why: NotChanged): Problem {
  if (why.did === 'not-found') return nothingOfYours
  if (why.did === 'overtaken') return changedMeanwhile(why.version)
  return { code: 'quota-exceeded', ...fullness[why.why](why.max), retryAfterSeconds: 3_600 }
}

export function changedMeanwhile(version: string): Problem {
  return {
    code: 'changed-meanwhile',
    detail: `somebody else has changed it since you have read it; it is at version ${version} by now`,
    more: { current: version },
  }
}

const fullness: Record<
  Extract<NotChanged, { did: 'full' }>['why'],
  (max: number) => { detail: string; hint: string }
> = {
  feeds: max => ({
    detail: `you have ${max} feeds, which is as many as one identity may have`,
    hint: 'change one that you do not need any more, or ask the operator for room (PUBLISHER_FEEDS_PER_IDENTITY_MAX)',
  }),
  'all-feeds': max => ({
    detail: `publishers have ${max} feeds here, which is as many as this node keeps`,
    hint: 'ask its operator for room (PUBLISHER_FEEDS_MAX), or another node',
  }),
  streams: max => ({
    detail: `you have ${max} streams, which is as many as one identity may have`,
    hint: 'use one that you have, or ask the operator for room (PUBLISHER_STREAMS_PER_IDENTITY_MAX)',
  }),
  'all-streams': max => ({
    detail: `publishers have ${max} streams here, which is as many as this node keeps`,
    hint: 'use one that you have, or ask its operator for room (PUBLISHER_STREAMS_MAX)',
  }),
  changes: max => ({
    detail: `you have changed ${max} things within a day, which is as much as is recorded of one identity`,
    hint: 'wait, or ask the operator for room (PUBLISHER_CHANGES_PER_DAY_MAX)',
  }),
  publishers: max => ({
    detail: `${max} publishers have told who they are, which is as many as this node keeps`,
    hint: 'ask its operator for room (PUBLISHERS_MAX), or another node',
  }),
}

export const nothingOfYours: Problem = {
  code: 'not-found',
  detail: 'you have nothing of this name',
  hint: 'GET /publishers/feeds and GET /publishers/streams list what is yours',
}
