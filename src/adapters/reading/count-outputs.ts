import type { Pool } from 'pg'

/** What a topic has admitted and still holds, counted up to a bound; and when it last admitted something. */
export type TopicCount = {
  readonly outputs: number
  /** There are more than were counted. */
  readonly isMore: boolean
  readonly lastAdmittedMs: number | null
}

/** So many are counted within a few hundredths of a second. */
export const OUTPUTS_COUNTED_MAX = 100_000

export function openCountOutputs(pool: Pool, countedMax = OUTPUTS_COUNTED_MAX) {
  return async (topics: readonly string[]): Promise<ReadonlyMap<string, TopicCount>> => {
    const { rows } = await pool.query<TopicCount & { readonly topic: string }>({
      name: 'reading-topic-counts',
      text: `select topic, least(counted.outputs, $2::bigint) as outputs, counted.outputs > $2 as "isMore",
          (select max(admitted_ms) from outputs where outputs.topic = asked.topic) as "lastAdmittedMs"
        from unnest($1::text[]) as asked (topic)
          cross join lateral (select count(*) as outputs from (
            select from outputs where outputs.topic = asked.topic limit $2::bigint + 1) as found) as counted`,
      values: [[...topics], countedMax],
    })
    return new Map(rows.map(({ topic, ...count }) => [topic, count]))
  }
}
