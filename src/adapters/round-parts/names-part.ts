/** Parts that a document names, each in one place of it: what agents build on, and what an aggregate is over. */
export type NamedPart = keyof typeof places

const places = {
  policy: `jsonb_build_object('policies', jsonb_build_array(jsonb_build_object('digest', hex)))`,
  state: `jsonb_build_object('partitions', jsonb_build_array(jsonb_build_object('stateIn', hex)))`,
  manifest: `jsonb_build_object('parents', jsonb_build_array(jsonb_build_object('versionId', hex)))`,
} as const

/**
 * Whether a round at work, aliased `round`, names the part in its place, or one that is over, of which an answer is still
 * owed; later nobody has to build on it. Publishers
 * choose much of what a document says beside, so the name anywhere else in it says nothing. Looking for the text first
 * spares reading the others, and `case` sees to the order.
 */
export function namesPart(part: NamedPart, name: string): string {
  return `(round.state <> 'over' or round.round_id in (select owed.round_id from round_jobs as owed
      where owed.deadline_ms > (extract(epoch from now()) * 1000)::bigint))
    and (select case when strpos(round.document, hex) > 0
    then round.document::jsonb @> ${places[part]} else false end from encode(${name}::bytea, 'hex') as hex)`
}
