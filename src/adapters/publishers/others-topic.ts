import { type Refusal, refused } from '../../core/fault.ts'
import type { Queryable } from '../postgres/sql.ts'

/**
 * Why a publisher may not name one of these topics: who follows it would be told of this publisher's events among those of
 * somebody else. What its stream has already it keeps, as an operator may have given it one that several share.
 */
export async function othersTopic(
  db: Queryable,
  ownerKey: string,
  topics: readonly string[],
  before: readonly string[] = [],
): Promise<Refusal | undefined> {
  const named = topics.filter(topic => !before.includes(topic))
  if (named.length === 0) return undefined
  const { rows } = await db.query<{ topic: string }>({
    name: 'topics-of-others',
    text: `select topic from unnest($1::text[]) with ordinality as named (topic, place)
      where exists (select from streams where topic = any (topics) and owner_key is distinct from $2)
      order by place limit 1`,
    values: [named, ownerKey],
  })
  const [taken] = rows
  if (taken === undefined) return undefined
  return refused(
    'registration-invalid',
    `streams of somebody else are followed under ${taken.topic}, and only the operator of this node has several share one; choose a name of your own`,
    `/topics/${topics.indexOf(taken.topic)}`,
  )
}
