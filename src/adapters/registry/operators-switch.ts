import type { Changing } from './changing.ts'

/** Publishers are recorded by their identity keys, and operators by how they came. */
const isPublisher = (who: string) => /^0[23][0-9a-f]{64}$/.test(who)

/**
 * Keeps whether an operator has switched it off, which a publisher never changes: also where the publisher had switched it off before,
 * and nothing else changes by it. Says what it is by now, where that is something else than before.
 */
export async function noteSwitch(
  { db, by }: Changing,
  kind: 'source' | 'stream',
  subject: string,
  isOn: boolean,
): Promise<{ readonly offByOperator: boolean } | undefined> {
  if (isPublisher(by.who)) return undefined
  const [table, id] = kind === 'source' ? ['overlay_event_sources', 'source_id'] : ['streams', 'stream_id']
  const { rowCount } = await db.query({
    text: `update ${table} set off_by_operator = $2 where ${id} = $1 and off_by_operator <> $2`,
    values: [subject, !isOn],
  })
  return rowCount === 0 ? undefined : { offByOperator: !isOn }
}
