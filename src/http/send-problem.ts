import type { Response } from 'express'
import type { TellBusy } from './limit-at-once.ts'
import { PROBLEM_TYPE, type Problem, problemBody, problemHeaders, problemStatus } from './problem.ts'

export function sendProblem(response: Response, problem: Problem): void {
  response
    .status(problemStatus(problem))
    .set(problemHeaders(problem))
    .type(PROBLEM_TYPE)
    .json(problemBody(problem))
}

export const tellBusyProblem: TellBusy = (response, detail) =>
  sendProblem(response, { code: 'busy', detail, retryAfterSeconds: 1 })
