import { fromUtf8 } from '../../core/bytes.ts'
import { isObject, type Json, parseJson } from '../../core/canonical-json.ts'
import { readSubmission, type Shape } from '../../core/event/adapters/recognize.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { ReceivedItem } from '../arrived.ts'
import { countMembers } from './count-members.ts'
import { isEventList, membersOutside, readEventList } from './event-list.ts'
import { membersByElement, outlineJson, startOfList } from './json-outline.ts'
import { BODY_DEPTH_MAX, JSON_PARTS_MAX } from './limits.ts'
import { readItem } from './read-item.ts'
import type { WholeBody } from './whole-body.ts'

export type JsonBodyOptions = {
  readonly shape: Shape | undefined
  readonly itemsMax: number
}

/** A list of events, an object that has such a list, or one event. */
export function readJsonBody(bytes: Uint8Array, options: JsonBodyOptions): Outcome<WholeBody> {
  const read = parseBody(bytes)
  if (!read.ok) return read
  const { value, text, members } = read.value
  if (Array.isArray(value)) return readList(value, { text, members, start: 0 }, options)
  if (!isObject(value) || !isEventList(value))
    return accepted({ items: [readItem(value, members, options.shape)] })

  const list = readEventList(value)
  if (!list.ok) return list
  const { events, ...stated } = list.value
  const inside = members - membersOutside(value)
  const items = readList(events, { text, members: inside, start: startOfList(text, 'events') }, options)
  return items.ok ? accepted({ ...stated, ...items.value }) : items
}

/** A batch of CloudEvents is a list and nothing else. */
export function readCloudEventBatch(bytes: Uint8Array, itemsMax: number): Outcome<WholeBody> {
  const read = parseBody(bytes)
  if (!read.ok) return read
  const { value, text, members } = read.value
  if (!Array.isArray(value))
    return refused('body-unreadable', 'a batch of CloudEvents must be a JSON array of them')
  return readList(value, { text, members, start: 0 }, { shape: 'cloud-event', itemsMax })
}

/** Whatever the one event holds besides, an `events` included, is its own. */
export function readCloudEvent(bytes: Uint8Array): Outcome<WholeBody> {
  const read = parseBody(bytes)
  if (!read.ok) return read
  return accepted({ items: [readItem(read.value.value, read.value.members, 'cloud-event')] })
}

type ParsedBody = { readonly value: Json; readonly text: string; readonly members: number }

function parseBody(bytes: Uint8Array): Outcome<ParsedBody> {
  const marked = fromUtf8(bytes)
  if (marked === undefined) return refused('json-unreadable', 'the body is not UTF-8')
  const text = marked.startsWith('\ufeff') ? marked.slice(1) : marked
  const outline = outlineJson(text, BODY_DEPTH_MAX)
  if (outline === undefined)
    return refused('json-too-deep', `the body nests deeper than ${BODY_DEPTH_MAX} levels`)
  if (outline.parts > JSON_PARTS_MAX)
    return refused(
      'body-too-large',
      `the body has more than ${JSON_PARTS_MAX} members and elements; send fewer events at once`,
    )
  const json = parseJson(text)
  return json.ok ? accepted({ value: json.value, text, members: outline.members }) : json
}

/** Where the list begins in the text, and how many members the text shows in it, repeated ones included. */
type ListText = { readonly text: string; readonly members: number; readonly start: number | undefined }

function readList(
  list: readonly Json[],
  sent: ListText,
  { shape, itemsMax }: JsonBodyOptions,
): Outcome<{ items: readonly ReceivedItem[] }> {
  if (list.length > itemsMax)
    return refused(
      'body-too-large',
      `the body holds ${list.length} events and ${itemsMax} are taken at once; send fewer, or any number as NDJSON`,
    )
  let members = 0
  for (const item of list) members += countMembers(item)
  if (members === sent.members)
    return accepted({ items: list.map(item => ({ submission: readSubmission(item, shape), flags: 0 })) })

  // Somewhere a key is repeated, or something is too deep to be counted: now it is worth knowing where.
  const start = sent.text.indexOf('[', sent.start ?? 0)
  const counts = membersByElement(sent.text, start)
  if (counts.reduce((sum, count) => sum + count, 0) !== sent.members)
    return refused('body-unreadable', 'the body repeats one of its members; send each once')
  return accepted({ items: list.map((item, i) => readItem(item, counts[i] ?? 0, shape)) })
}
