import type { Level } from '../../core/level.ts'

/** What to hear of: docs/streaming.md. */
export type Filter = {
  readonly topics?: readonly string[]
  readonly streams?: readonly string[]
  readonly sourceIds?: readonly string[]
  readonly types?: readonly string[]
  readonly minCertificationLevel?: Level
  /** Stages; of `watch` alone. */
  readonly status?: readonly string[]
  /** A predicate over the payload, as docs/rules.md has them. */
  readonly where?: object
  /** The part-th of so many shares. */
  readonly split?: { readonly part: number; readonly of: number }
  readonly includeProcessingEvidence?: boolean
}

export function filterQuery(filter: Filter): URLSearchParams {
  const { topics, streams, sourceIds, types, minCertificationLevel, status } = filter
  const { where, split, includeProcessingEvidence } = filter
  const said = {
    topics: topics?.join(','),
    streams: streams?.join(','),
    sourceIds: sourceIds?.join(','),
    types: types?.join(','),
    minCertificationLevel,
    status: status?.join(','),
    where: where && JSON.stringify(where),
    split: split && `${split.part}/${split.of}`,
    includeProcessingEvidence: includeProcessingEvidence ? 'true' : undefined,
  }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(said)) if (value !== undefined) query.set(name, value)
  return query
}

/** Why not all lines of a partition are told under it; null where they are. */
export function leavesOut({ sourceIds, types, where, split }: Filter): string | null {
  const by = Object.entries({ sourceIds, types, where, split }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  )
  return by.length === 0 ? null : `the filter (${by.join(', ')}) leaves events out`
}
