import * as z from 'zod'
import { levels } from '../src/core/level.ts'
import { resultStatuses } from '../src/core/rounds/pipeline.ts'
import { closed } from '../src/core/schema.ts'
import { cursor } from './cursor.ts'
import { type JobsQuery, jobKinds } from './jobs-index.ts'
import { hash, order, outpoint, publicKey, readQuery, timeMs, word } from './query-members.ts'

export const JOBS_LOOKUP_LIMIT_DEFAULT = 50
export const JOBS_LOOKUP_LIMIT_MAX = 500

/** What somebody asks, or InvalidQuery with the member that is wrong. */
export function readJobsQuery(service: string, query: unknown): JobsQuery {
  const asked = readQuery(service, shape, query, filters)
  const { findAll: _, cursor: after, limit = JOBS_LOOKUP_LIMIT_DEFAULT, order = 'desc', ...narrowing } = asked
  return { ...narrowing, limit, order, after }
}

const narrowing = {
  kind: z.enum(jobKinds).optional(),
  roundId: hash.optional(),
  jobTxid: hash.optional(),
  jobOutpoint: outpoint.optional(),
  txid: hash.optional(),
  agentKey: publicKey.optional(),
  operator: publicKey.optional(),
  coordinator: publicKey.optional(),
  template: word.optional(),
  stage: word.optional(),
  level: z.enum(levels).optional(),
  status: z.enum(resultStatuses).optional(),
  spent: z.boolean().optional(),
  admittedFromMs: timeMs.optional(),
  admittedToMs: timeMs.optional(),
  deadlineFromMs: timeMs.optional(),
  deadlineToMs: timeMs.optional(),
}

const shape = closed({
  findAll: z.literal(true).optional(),
  ...narrowing,
  limit: z.int().min(1).max(JOBS_LOOKUP_LIMIT_MAX).optional(),
  order: order.optional(),
  cursor: cursor.optional(),
})

const filters = z.object(narrowing).keyof().options
