import { problemCodes } from './problem-codes.ts'

/** Why a request on our own routes is not answered as asked (RFC 9457). */
export type Problem = {
  readonly code: ProblemCode
  /** What was seen and what was wanted. */
  readonly detail: string
  /** The next move, where the code's own one is not the best. */
  readonly hint?: string
  readonly retryAfterSeconds?: number
  /** What else is known of this one. */
  readonly more?: Readonly<Record<string, unknown>>
}

export type ProblemCode = keyof typeof problemCodes

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

export function problemStatus({ code }: Problem): number {
  return problemCodes[code].status
}

/** `error` and `hint` are what older clients of these routes read. */
export function problemBody({ code, detail, hint, more }: Problem) {
  const { status, title, retryable, next } = problemCodes[code]
  return {
    type: `urn:assay:problem:${code}`,
    title,
    status,
    detail,
    code,
    retryable,
    error: code,
    hint: hint ?? next,
    ...more,
  }
}

export function problemHeaders({ retryAfterSeconds }: Problem): Record<string, string> {
  return retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }
}
