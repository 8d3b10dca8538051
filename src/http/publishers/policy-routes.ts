import { type Request, Router } from 'express'
import { findPolicyOwner, putOwnPolicy, rollBackPolicy } from '../../adapters/publishers/own-policies.ts'
import { findOwnStream, type OwnStream } from '../../adapters/publishers/own-streams.ts'
import { ownersPart } from '../../adapters/publishers/owners-part.ts'
import { findPolicyVersion, listPolicyVersions } from '../../adapters/publishers/policy-versions.ts'
import { readRecentEvents } from '../../adapters/publishers/recent-events.ts'
import type { Json } from '../../core/canonical-json.ts'
import { differences } from '../../core/publisher/differences.ts'
import { bySchema } from '../../core/schema.ts'
import type { Problem } from '../problem.ts'
import { bad, digits, readQuery } from '../read/query-members.ts'
import {
  type Answered,
  againstEdit,
  type Caller,
  isProblem,
  nothingOfYours,
  problemOf,
  proven,
  readBody,
  readSeen,
} from './answering.ts'
import { counted } from './feed-routes.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import {
  diffQuery,
  dryRunRequest,
  policyRequest,
  rollbackRequest,
  versionsQuery,
} from './publisher-requests.ts'
import { shownVersion } from './shown.ts'
import { ownStreamAnswer } from './stream-routes.ts'
import { tryPolicy } from './try-policy.ts'

const DRY_RUN_BYTES_MAX = 1024 * 1024

/** The policies of a publisher's streams: tried before they are in force, kept for good, and put back again. */
export function policyRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, pool } = deps
  const routes = Router({ caseSensitive: true })
  const owned = (
    work: (stream: OwnStream, request: Request, caller: Caller) => Promise<Answered>,
    bodyBytesMax?: number,
  ) =>
    proven(
      authentication,
      async (request, caller) => {
        const stream = await findOwnStream(pool, String(request.params['id']), caller.identityKey)
        return stream?.isYours === true ? work(stream, request, caller) : nothingOfYours
      },
      bodyBytesMax,
    )

  routes.get(
    '/publishers/streams/:id/policies',
    owned(async ({ settings, policyNumber }, request) => {
      const query = readQuery(versionsQuery, request)
      if ('code' in query) return query
      const found = await listPolicyVersions(pool, settings.streamId, query.read)
      const last = found.length === query.read.limit ? found.at(-1) : undefined
      return {
        body: {
          versions: found.map(version => shownVersion(version, policyNumber)),
          nextBefore: last?.number ?? null,
        },
      }
    }),
  )
  routes.post(
    '/publishers/streams/:id/policies',
    owned(async (stream, request, caller) =>
      counted('policy', await put(stream, request, caller, deps), deps),
    ),
  )
  routes.post(
    '/publishers/streams/:id/policies/rollback',
    owned(async ({ settings: { streamId } }, request, { identityKey, body }) => {
      const seen = readSeen(request, body)
      if (isProblem(seen)) return counted('policy', seen, deps)
      const read = bySchema(rollbackRequest, seen.rest, 'registration-invalid')
      if (!read.ok) return counted('policy', problemOf(read.fault), deps)
      const asked = { streamId, version: seen.version, to: read.value.to }
      const edit = againstEdit(await rollBackPolicy(deps.feeds, identityKey, asked))
      const answered = 'problem' in edit ? edit.problem : await ownStreamAnswer(deps, streamId, identityKey)
      return counted('policy', answered, deps)
    }),
  )
  routes.post(
    '/publishers/streams/:id/policies/dry-run',
    owned(
      async (stream, _, caller) => counted('dry-run', await dryRun(stream, caller, deps), deps),
      DRY_RUN_BYTES_MAX,
    ),
  )
  routes.get(
    '/publishers/streams/:id/policies/diff',
    owned(async ({ settings: { streamId } }, request) => {
      const query = readQuery(diffQuery, request)
      if ('code' in query) return query
      const { from, to } = query.read
      const was = await findPolicyVersion(pool, streamId, from)
      const became = await findPolicyVersion(pool, streamId, to)
      if (was === undefined || became === undefined) return noVersion
      return {
        body: {
          ...{ from, to },
          changes: differences(was.policy as unknown as Json, became.policy as unknown as Json),
        },
      }
    }),
  )
  routes.get(
    '/publishers/streams/:id/policies/:number',
    owned(async ({ settings, policyNumber }, request) => {
      const number = digits(2_147_483_647).safeParse(request.params['number'])
      if (!number.success) return noVersion
      const found = await findPolicyVersion(pool, settings.streamId, number.data)
      if (found === undefined) return noVersion
      const own = await ownersPart(pool, found)
      return { body: { ...shownVersion(found, policyNumber), policy: found.policy, own } }
    }),
  )
  return routes
}

async function put(
  { settings: { streamId } }: OwnStream,
  request: Request,
  { identityKey, body }: Caller,
  deps: PublisherRouteDeps,
): Promise<Answered> {
  const seen = readSeen(request, body)
  if (isProblem(seen)) return seen
  const read = bySchema(policyRequest, seen.rest, 'registration-invalid')
  if (!read.ok) return problemOf(read.fault)
  const { policy } = read.value
  if (policy !== null) {
    const triedWith = async () => {
      const owner = await findPolicyOwner(deps.pool, streamId, identityKey)
      if (owner === undefined) return nothingOfYours
      const { feeds: _, ...whose } = owner
      return { ...whose, tried: { events: [] } }
    }
    const tried = await tryPolicy({ identityKey, policy }, triedWith, deps)
    if (!('tried' in tried)) return tried
  }
  const asked = { streamId, version: seen.version, policy }
  const edit = againstEdit(await putOwnPolicy(deps.feeds, identityKey, asked))
  return 'problem' in edit ? edit.problem : ownStreamAnswer(deps, streamId, identityKey)
}

async function dryRun(
  { settings: { streamId } }: OwnStream,
  { identityKey, body }: Caller,
  deps: PublisherRouteDeps,
): Promise<Answered> {
  const read = readBody(dryRunRequest, body)
  if ('code' in read) return read
  const { policy, feedId, samples, recent } = read.value
  if ((samples === undefined) === (recent === undefined))
    return bad('say either samples, a list of items to try it on, or recent, so many of the newest events')
  const triedWith = async () => {
    const owner = await findPolicyOwner(deps.pool, streamId, identityKey)
    if (owner === undefined) return nothingOfYours
    const { feeds, ...whose } = owner
    if (samples === undefined)
      return { ...whose, tried: { events: await readRecentEvents(deps.pool, streamId, recent ?? 1) } }
    const source = feedId === undefined ? feeds[0] : feeds.find(({ sourceId }) => sourceId === feedId)
    if (source === undefined) return noFeed
    const { policy: _, ...plain } = source
    return { ...whose, tried: { source: plain, samples } }
  }
  const run = await tryPolicy({ identityKey, policy }, triedWith, deps)
  return 'tried' in run ? { body: run.tried } : run
}

const noFeed: Problem = bad(
  '/feedId: no feed of yours of this name writes to the stream',
  'samples are tried as items of a feed; GET the stream to see which of yours write to it',
)

const noVersion: Problem = {
  code: 'not-found',
  detail: 'the stream has had no policy of that number',
  hint: 'list its policies',
}
