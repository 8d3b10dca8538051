import { type Request, Router } from 'express'
import type { JobTemplate } from '../../core/jobs/job-template.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { type JobName, readJobName } from '../../serve/shown-job.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { type Answer, answering, problem, shown } from './answering.ts'
import type { Reading } from './reading.ts'

export type WorkRouteDeps = {
  readonly work: WorkDetails
  /** Of the jobs that this node gives out. */
  readonly templates: readonly JobTemplate[]
  readonly reading: Reading
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** As the reader may know them; undefined where there is none for them. */
export type WorkDetails = {
  packet(packetId: string, reader: Reader): Promise<object | undefined>
  round(roundId: string, reader: Reader): Promise<object | undefined>
  job(name: JobName, reader: Reader): Promise<object | undefined>
}

/** Packets, the rounds that they go to agents in, and what agents are asked for. */
export function workRoutes({ work, templates, reading, onFailure }: WorkRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/packets/:id',
    answering(reading, ({ params: { id } }, reader) =>
      found(isHash(id) ? work.packet(id, reader) : none, noPacket),
    ),
  )
  routes.get(
    '/rounds/:id',
    answering(reading, ({ params: { id } }, reader) =>
      found(isHash(id) ? work.round(id, reader) : none, noRound),
    ),
  )
  routes.get(
    '/overlay/jobs/:id',
    answering(reading, ({ params: { id } }, reader) => {
      const name = typeof id === 'string' ? readJobName(id) : undefined
      return found(name === undefined ? none : work.job(name, reader), noJob)
    }),
  )
  routes.get(
    '/overlay/job-templates',
    answering(reading, async () => shown({ items: templates })),
  )
  routes.get(
    '/overlay/job-templates/:id',
    answering(reading, ({ params: { id } }) =>
      found(Promise.resolve(templates.find(({ templateId }) => templateId === id)), noTemplate),
    ),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const none = Promise.resolve(undefined)

async function found(looked: Promise<object | undefined>, missing: Problem): Promise<Answer> {
  const thing = await looked
  return thing === undefined ? problem(missing) : shown(thing)
}

function isHash(id: unknown): id is string {
  return typeof id === 'string' && /^[0-9a-f]{64}$/.test(id)
}

const noPacket: Problem = {
  code: 'not-found',
  detail: 'no packet with this id is of a stream that you may read',
  hint: 'take a packetId, 64 hex digits in lower case, from what is shown of an event',
}
const noRound: Problem = {
  code: 'not-found',
  detail: 'no round with this id has a packet of a stream that you may read',
  hint: 'take a roundId, 64 hex digits in lower case, from what is shown of a packet or an event',
}
const noTemplate: Problem = {
  code: 'not-found',
  detail: 'no job template has this id',
  hint: 'take an overlayJobTemplateId from what is shown of a job, or one that /overlay/job-templates lists',
}
const noJob: Problem = {
  code: 'not-found',
  detail: 'no job with this id is about a packet of a stream that you may read',
  hint: 'take a jobId, a txid or <txid>.<output>, from what is shown of a round or an event',
}
