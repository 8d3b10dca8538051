import type { IncomingMessage, ServerResponse } from 'node:http'
import { utf8 } from '../../core/bytes.ts'
import type { IngestPath } from '../../core/registry/route-limits.ts'
import { PROBLEM_TYPE, type Problem, problemBody, problemHeaders, problemStatus } from '../problem.ts'

/** One request, however it came to the door. */
export type Exchange = {
  readonly request: IncomingMessage
  readonly path: IngestPath
  /** Path and query, as they stand on the request line. */
  readonly target: string
  readonly body: BodyAt
  /** Proven under BRC-104. */
  readonly provenKey?: string
  reply(status: number, headers: Readonly<Record<string, string>>, body: string): void
  /** Absent where an answer must be given in one piece. */
  readonly lines?: ServerResponse
}

/** Where a request's bytes are. */
export type BodyAt =
  | { readonly kind: 'unread' }
  /** `exact`: as they came over the wire, so that a signature over them can be checked. */
  | { readonly kind: 'read'; readonly bytes: Uint8Array; readonly exact: boolean }
  /** Read by somebody else, and not kept. */
  | { readonly kind: 'gone' }

/** What the parsers of the app around us have left of a body. */
export function bodyIn(
  request: IncomingMessage & { readonly body?: unknown; readonly rawBody?: unknown },
): BodyAt {
  const { body, rawBody } = request
  // Parsers unpack what they read: those are not the bytes that were sent.
  const isPlain = (request.headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity'
  if (rawBody instanceof Uint8Array) return { kind: 'read', bytes: rawBody, exact: isPlain }
  if (body instanceof Uint8Array) return { kind: 'read', bytes: body, exact: isPlain }
  if (typeof body === 'string') return { kind: 'read', bytes: utf8(body), exact: false }
  const isParsed = body !== undefined && !(isEmptyObject(body) && !request.readableDidRead)
  if (isParsed) return { kind: 'read', bytes: utf8(JSON.stringify(body)), exact: false }
  return request.readableDidRead ? { kind: 'gone' } : { kind: 'unread' }
}

/** What parsers of express 4 leave where the body is of a type that they do not read: it is still to come. */
function isEmptyObject(body: unknown): boolean {
  return typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0
}

export function replyJson(
  { reply }: Exchange,
  answer: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  reply(200, { 'Content-Type': 'application/json; charset=utf-8', ...headers }, JSON.stringify(answer))
}

export function replyProblem({ reply }: Exchange, problem: Problem): void {
  const headers = { 'Content-Type': PROBLEM_TYPE, ...problemHeaders(problem) }
  reply(problemStatus(problem), headers, JSON.stringify(problemBody(problem)))
}

/** On a response of Node's own, with what every answer here carries. */
export function replyOn(
  response: ServerResponse,
  standing: Readonly<Record<string, string>>,
): Exchange['reply'] {
  return (status, headers, body) => {
    response
      .writeHead(status, { ...standing, ...headers, 'Content-Length': String(Buffer.byteLength(body)) })
      .end(body)
  }
}
