import type { Json } from '../../core/canonical-json.ts'
import { type Outcome, refused } from '../../core/fault.ts'
import { type LiveFilter, readLiveFilter } from '../live/live-filter.ts'

/** What a stored view asks for, in the words of the stream's parameters. */
export type FilterCriteria = {
  readonly streams?: readonly string[] | undefined
  readonly sourceIds?: readonly string[] | undefined
  readonly types?: readonly string[] | undefined
  readonly minCertificationLevel?: string | undefined
  readonly where?: Json | undefined
  readonly split?: string | undefined
  readonly includeProcessingEvidence?: boolean | undefined
}

export type Asked = { readonly topics: readonly string[]; readonly filter: FilterCriteria }

/** Read by the reader of the parameters, so that a stored view and an address cannot mean two things. */
export function filterOf({ topics, filter }: Asked): Outcome<LiveFilter> {
  const { streams, sourceIds, types, ...single } = filter
  const query = new URLSearchParams()
  for (const [name, values] of Object.entries({ topics, streams, sourceIds, types })) {
    const split = values?.find(value => value.includes(','))
    if (split !== undefined)
      return refused('query-invalid', `${name} has one with a comma in it: ${split.slice(0, 64)}`)
    // None named is any; in an address that is said by leaving it out.
    if (values !== undefined && values.length > 0) query.set(name, values.join(','))
  }
  for (const [name, value] of Object.entries(single))
    if (value !== undefined) query.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  return readLiveFilter(query, ['certified'])
}
