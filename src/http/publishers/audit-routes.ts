import { Router } from 'express'
import { readAudit } from '../../adapters/publishers/audit.ts'
import { registerProducer } from '../../adapters/publishers/producers.ts'
import { readQuery } from '../read/query-members.ts'
import { type Answered, againstEdit, type Caller, proven, readBody } from './answering.ts'
import { counted, registrationClosed } from './feed-routes.ts'
import type { PublisherRouteDeps } from './publisher-ports.ts'
import { auditQuery, producerRequest } from './publisher-requests.ts'
import { shownChange, shownProducer } from './shown.ts'

/** Who publishers say they are, and who has changed what. */
export function auditRoutes(deps: PublisherRouteDeps): Router {
  const { authentication, pool } = deps
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/publishers/audit',
    proven(authentication, async (request, { identityKey }) => {
      const query = readQuery(auditQuery, request)
      if ('code' in query) return query
      const { changes, isMore } = await readAudit(pool, { identityKey, ...query.read })
      const last = isMore ? changes.at(-1) : undefined
      return {
        body: {
          changes: changes.map(change => shownChange(change, identityKey)),
          nextBefore: last?.id ?? null,
        },
      }
    }),
  )
  routes.post(
    '/overlay/producers/register-identity',
    proven(authentication, async (_, caller) =>
      counted('identity', await registerIdentity(caller, deps), deps),
    ),
  )
  return routes
}

async function registerIdentity({ identityKey, body }: Caller, deps: PublisherRouteDeps): Promise<Answered> {
  if (!deps.mayRegister(identityKey)) return registrationClosed
  const read = readBody(producerRequest, body)
  if ('code' in read) return read
  const { name, website = null, identityKey: named } = read.value
  if (named !== identityKey)
    return {
      code: 'identity-mismatch',
      detail: '/identityKey: it is not the key that the request is signed with',
      hint: 'name your own identity key, or sign with the one that you name',
      more: { pointer: '/identityKey' },
    }
  const edit = againstEdit(await registerProducer(deps.producers, { identityKey, name, website }))
  return 'problem' in edit ? edit.problem : { body: shownProducer(edit.value) }
}
