import type { Level } from '../../core/level.ts'
import type { WholeBody } from '../../ingest/formats/whole-body.ts'
import type { Problem } from '../problem.ts'
import { ANONYMOUS_SOURCE } from './admit-source.ts'
import type { Asked } from './asked.ts'

/** What a request says about its events, in its query and in its body together. */
export type Said = {
  readonly sourceId: string
  readonly streamId?: string
  readonly level?: Level
  readonly backfill?: boolean
  readonly topics?: readonly string[]
}

/** The query and the body may both say a thing, but not two things. */
export function sayTogether(asked: Asked, body: Omit<WholeBody, 'items'> = {}): Said | Problem {
  const options = body.processingOptions ?? {}
  const differing = (
    [
      ['sourceId', asked.sourceId, body.sourceId],
      ['streamId', asked.streamId, body.streamId],
      ['level', asked.level, options.consensusLevel],
      ['backfill', asked.backfill, options.backfill],
    ] as const
  ).find(([, inQuery, inBody]) => inQuery !== undefined && inBody !== undefined && inQuery !== inBody)
  if (differing !== undefined)
    return {
      code: 'bad-request',
      detail: `the query and the body say different things about ${differing[0]}`,
    }
  const streamId = asked.streamId ?? body.streamId
  const level = asked.level ?? options.consensusLevel
  const backfill = asked.backfill ?? options.backfill
  return {
    sourceId: asked.sourceId ?? body.sourceId ?? ANONYMOUS_SOURCE,
    ...(streamId !== undefined && { streamId }),
    ...(level !== undefined && { level }),
    ...(backfill !== undefined && { backfill }),
    ...(options.distributionTopics !== undefined && { topics: options.distributionTopics }),
  }
}

/** Of the topics that a stream's events are followed under, those that were asked for, and what was asked for beside them. */
export function topicsOf({ topics: asked }: Said, served: readonly string[]) {
  if (asked === undefined) return { topics: served, otherTopics: [] }
  return {
    topics: served.filter(topic => asked.includes(topic)),
    otherTopics: asked.filter(topic => !served.includes(topic)),
  }
}
