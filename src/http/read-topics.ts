import { accepted, type Outcome, refused } from '../core/fault.ts'

/** A transaction rarely concerns more than three. */
export const TOPICS_PER_SUBMIT_MAX = 32

/** The topics of an X-Topics header, each once; all of them are hosted here. */
export function readTopics(header: string | undefined, hosted: ReadonlySet<string>): Outcome<string[]> {
  const topics = parseList(header)
  if (topics === undefined)
    return refused(
      'topics-invalid',
      'the X-Topics header is not a JSON array of topic names, such as ["tm_gitdata_events_ingest"]',
    )
  if (topics.length === 0) return refused('topics-invalid', 'the X-Topics header names no topic')
  if (topics.length > TOPICS_PER_SUBMIT_MAX)
    return refused(
      'topics-invalid',
      `the X-Topics header names ${topics.length} topics, and ${TOPICS_PER_SUBMIT_MAX} are allowed`,
    )
  const unknown = topics.find(topic => !hosted.has(topic))
  if (unknown !== undefined)
    return refused(
      'topic-unknown',
      `this node does not host "${unknown.slice(0, 64)}"; GET /listTopicManagers names what it hosts`,
    )
  return accepted([...new Set(topics)])
}

function parseList(header: string | undefined): string[] | undefined {
  try {
    const list: unknown = JSON.parse(header ?? '')
    return Array.isArray(list) && list.every(each => typeof each === 'string') ? list : undefined
  } catch {
    // Not JSON: the same answer as JSON that is no such array.
    return undefined
  }
}
