import { accepted, type Outcome } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'
import { recordChange } from '../registry/record-change.ts'
import { done, type Edit, type PublisherDeps, publisherChange } from './publisher-change.ts'

/** What a publisher says of itself. */
export type Producer = {
  readonly identityKey: string
  readonly name: string
  readonly website: string | null
  readonly registeredMs: number
  readonly updatedMs: number
}

export type ProducerDeps = PublisherDeps & { readonly producersMax: number }

export function registerProducer(
  deps: ProducerDeps,
  { identityKey, name, website }: Pick<Producer, 'identityKey' | 'name' | 'website'>,
): Promise<Outcome<Edit<Producer>>> {
  return publisherChange(deps, identityKey, async ({ db, by }): Promise<Outcome<Edit<Producer>>> => {
    const before = await findProducer(db, identityKey)
    if (before?.name === name && before.website === website) return done(before)
    if (before === undefined && (await countProducers(db)) >= deps.producersMax)
      return accepted({ did: 'full', why: 'publishers', max: deps.producersMax })
    await db.query({
      text: `insert into producers (identity_key, name, website, registered_ms, updated_ms) values ($1, $2, $3, $4, $4)
        on conflict (identity_key) do update set name = excluded.name, website = excluded.website,
          updated_ms = excluded.updated_ms`,
      values: [identityKey, name, website, by.atMs],
    })
    const what = before === undefined ? 'created' : 'changed'
    const was = before && { name: before.name, website: before.website }
    await recordChange(
      db,
      { kind: 'publisher', subject: identityKey, what, became: { name, website }, ...(was && { was }) },
      by,
    )
    const registeredMs = before?.registeredMs ?? by.atMs
    return done({ identityKey, name, website, registeredMs, updatedMs: by.atMs })
  })
}

export async function findProducer(db: Queryable, identityKey: string): Promise<Producer | undefined> {
  const { rows } = await db.query<Producer>({
    name: 'find-producer',
    text: `select identity_key as "identityKey", name, website, registered_ms as "registeredMs",
      updated_ms as "updatedMs" from producers where identity_key = $1`,
    values: [identityKey],
  })
  return rows[0]
}

async function countProducers(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ count: number }>('select count(*)::int as count from producers')
  return rows[0]?.count ?? 0
}
