import type { Limits } from '../../core/registry/limits.ts'
import type { Changing } from './changing.ts'

/** Publishers are recorded by their identity keys, and operators by how they came. */
const isPublisher = (who: string) => /^0[23][0-9a-f]{64}$/.test(who)

export type OperatorsWord = { readonly offByOperator: boolean; readonly limitsByOperator: Limits }

/**
 * Keeps what an operator has said last and a publisher never changes: whether it is switched off, and how high its limits may be. Also
 * where the publisher had said the same before, and nothing else changes by it. Says what of it is something else than before.
 */
export async function noteOperatorsWord(
  { db, by }: Changing,
  kind: 'source' | 'stream',
  subject: string,
  { isOn, limits }: { readonly isOn: boolean; readonly limits: Limits },
): Promise<Partial<OperatorsWord> | undefined> {
  if (isPublisher(by.who)) return undefined
  const [table, id] = kind === 'source' ? ['overlay_event_sources', 'source_id'] : ['streams', 'stream_id']
  const { rows } = await db.query<{ wasOff: boolean; hadLimits: boolean }>({
    text: `update ${table} as its set off_by_operator = $2, limits_by_operator = $3
      from (select off_by_operator, limits_by_operator from ${table} where ${id} = $1 for update) as before
      where its.${id} = $1 and (before.off_by_operator <> $2 or before.limits_by_operator <> $3)
      returning before.off_by_operator as "wasOff", before.limits_by_operator = $3 as "hadLimits"`,
    values: [subject, !isOn, JSON.stringify(limits)],
  })
  const [before] = rows
  if (before === undefined) return undefined
  return {
    ...(before.wasOff === isOn && { offByOperator: !isOn }),
    ...(!before.hadLimits && { limitsByOperator: limits }),
  }
}
