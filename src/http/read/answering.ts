import type { Request, RequestHandler } from 'express'
import type * as z from 'zod'
import type { Reader } from '../../core/registry/may-read.ts'
import type { Problem } from '../problem.ts'
import { sendProblem } from '../send-problem.ts'
import { wrongShape } from '../wrong-shape.ts'
import type { Reading } from './reading.ts'

/** What a reader is answered: the thing asked for, or why not. */
export type Answer =
  | { readonly kind: 'shown'; readonly shown: object }
  | { readonly kind: 'problem'; readonly problem: Problem }

export function answering(
  reading: Reading,
  answer: (request: Request, reader: Reader) => Promise<Answer>,
): RequestHandler {
  return reading(async (request, response, reader) => {
    const given = await answer(request, reader)
    if (given.kind === 'shown') response.json(given.shown)
    else sendProblem(response, given.problem)
  })
}

export function shown(what: object): Answer {
  return { kind: 'shown', shown: what }
}

export function problem(what: Problem): Answer {
  return { kind: 'problem', problem: what }
}

export function badQuery(error: z.ZodError): Answer {
  return problem({
    code: 'bad-request',
    detail: wrongShape('the query', error).message,
    hint: 'docs/openapi.yaml lists what this route takes',
  })
}
