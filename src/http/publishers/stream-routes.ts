import { Router } from 'express'
import {
  changeOwnStream,
  findOwnStream,
  listOwnStreams,
  makeOwnStream,
} from '../../adapters/publishers/own-streams.ts'
import { readUsage } from '../../adapters/publishers/usage.ts'
import { readQuery } from '../read/query-members.ts'
import {
  type Answered,
  againstEdit,
  isProblem,
  nothingOfYours,
  proven,
  readObject,
  readSeen,
} from './answering.ts'
import { counted, nameMissing, registrationClosed } from './feed-routes.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { listQuery, newName } from './publisher-requests.ts'
import { shownStream, shownUsage } from './shown.ts'

/** The streams of publishers: whom they are for, whether they are shown, and how much they take. */
export function streamRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, pool, feeds } = deps
  const routes = Router({ caseSensitive: true })

  routes.get(
    '/publishers/streams',
    proven(authentication, async (request, { identityKey }) => {
      const query = readQuery(listQuery, request)
      if ('code' in query) return query
      const found = await listOwnStreams(pool, identityKey, query.read)
      const last = found.length === query.read.limit ? found.at(-1) : undefined
      return { body: { streams: found.map(shownStream), nextAfter: last?.settings.streamId ?? null } }
    }),
  )
  routes.post(
    '/publishers/streams',
    proven(authentication, async (_, { identityKey, body }) => {
      if (!deps.mayRegister(identityKey)) return counted('stream', registrationClosed, deps)
      const object = readObject(body)
      if (isProblem(object)) return counted('stream', object, deps)
      const { name: given, ...sent } = object
      const name = newName.safeParse(given)
      if (!name.success) return counted('stream', nameMissing, deps)
      const edit = againstEdit(await makeOwnStream(feeds, identityKey, name.data, sent))
      const answered =
        'problem' in edit ? edit.problem : await ownStreamAnswer(deps, edit.value, identityKey, 201)
      return counted('stream', answered, deps)
    }),
  )
  routes.get(
    '/publishers/streams/:id',
    proven(authentication, async (request, { identityKey }) => {
      const stream = await findOwnStream(pool, String(request.params['id']), identityKey)
      return stream === undefined ? nothingOfYours : { body: shownStream(stream), version: stream.version }
    }),
  )
  routes.patch(
    '/publishers/streams/:id',
    proven(authentication, async (request, { identityKey, body }) => {
      const seen = readSeen(request, body)
      if (isProblem(seen)) return counted('stream', seen, deps)
      const streamId = String(request.params['id'])
      const asked = { streamId, version: seen.version, sent: seen.rest }
      const edit = againstEdit(await changeOwnStream(feeds, identityKey, asked))
      const answered = 'problem' in edit ? edit.problem : await ownStreamAnswer(deps, streamId, identityKey)
      return counted('stream', answered, deps)
    }),
  )
  routes.get(
    '/publishers/streams/:id/usage',
    proven(authentication, async (request, { identityKey }) => {
      const stream = await findOwnStream(pool, String(request.params['id']), identityKey)
      if (stream === undefined || !stream.isYours) return nothingOfYours
      const { streamId, limits } = stream.settings
      return { body: shownUsage(limits, await readUsage(pool, `stream ${streamId}`, limits, deps.now())) }
    }),
  )
  return routes
}

export async function ownStreamAnswer(
  { pool }: Pick<PublisherRouteDeps, 'pool'>,
  streamId: string,
  identityKey: string,
  status = 200,
): Promise<Answered> {
  const stream = await findOwnStream(pool, streamId, identityKey)
  if (stream === undefined) return nothingOfYours
  return { status, body: { stream: shownStream(stream) }, version: stream.version }
}
