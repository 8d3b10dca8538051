import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { type Changing, changing } from '../registry/changing.ts'
import { type NewSecret, newSecretIn, revokeSecretIn, shownSecrets } from '../registry/secrets.ts'
import { type SourceRow, sourceOf, sourceRows } from '../registry/source-rows.ts'
import { done, type Edit, notFound, type PublisherDeps, publisherChange } from './publisher-change.ts'

/** Another secret for a feed; those before it are taken until the overlap is over. */
export function rotateOwnKey(
  deps: PublisherDeps,
  identityKey: string,
  { feedId, overlapMs }: { readonly feedId: string; readonly overlapMs: number },
): Promise<Outcome<Edit<NewSecret>>> {
  return withOwnFeed(
    deps,
    identityKey,
    feedId,
    publisherChange,
    async (change, row): Promise<Outcome<Edit<NewSecret>>> => {
      const { authentication } = sourceOf(row)
      if (authentication !== 'hmac')
        return refused(
          'registration-invalid',
          `this feed authenticates by ${authentication} and signs with no secret; change its authentication to hmac first`,
          '/feedId',
        )
      const made = await newSecretIn(change, feedId, overlapMs)
      return made.ok ? done(made.value) : made
    },
  )
}

/** From then on nothing that is signed with it is taken. */
export function revokeOwnKey(
  deps: PublisherDeps,
  identityKey: string,
  { feedId, number }: { readonly feedId: string; readonly number: number },
): Promise<Outcome<Edit<number>>> {
  // Also after all the changes of a day: a secret that others know must not stay for want of one more.
  const by: typeof publisherChange = ({ changes }, ...rest) => changing(changes, ...rest)
  return withOwnFeed(deps, identityKey, feedId, by, async (change): Promise<Outcome<Edit<number>>> => {
    const secrets = await shownSecrets(change.db, feedId)
    if (!secrets.some(secret => secret.number === number)) return notFound
    const revoked = await revokeSecretIn(change, feedId, number)
    return revoked.ok ? accepted({ did: 'done', value: number }) : revoked
  })
}

async function withOwnFeed<T>(
  deps: PublisherDeps,
  identityKey: string,
  feedId: string,
  by: typeof publisherChange,
  work: (change: Changing, row: SourceRow) => Promise<Outcome<Edit<T>>>,
): Promise<Outcome<Edit<T>>> {
  // Asked first without the lock that all changes share: strangers are not to wait in it.
  const [seen] = await sourceRows(deps.changes.pool, [feedId])
  if (seen?.identityKey !== identityKey) return notFound
  return by(deps, identityKey, async (change): Promise<Outcome<Edit<T>>> => {
    const [row] = await sourceRows(change.db, [feedId])
    return row?.identityKey === identityKey ? work(change, row) : notFound
  })
}
