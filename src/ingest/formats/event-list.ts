import { isObject, type Json, type JsonObject } from '../../core/canonical-json.ts'
import { type Check, closedObject, closedReader, listOf, misfit, text } from '../../core/closed-object.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { isLevel, levels } from '../../core/level.ts'
import type { ProcessingOptions, WholeBody } from './whole-body.ts'

/** Longer ones name no source and no stream. */
const NAME_CHARS_MAX = 256
const TOPICS_MAX = 16

/** The members of a body that holds its events in a list beside what it says of all of them. */
export type EventList = Omit<WholeBody, 'items'> & { readonly events: readonly Json[] }

/**
 * Whether an object is such a body. One that has no `events` but nothing else either can be no event: it is a list
 * that its sender forgot.
 */
export function isEventList(body: JsonObject): boolean {
  return Object.hasOwn(body, 'events') || Object.keys(body).every(member => listMembers.has(member))
}

export function readEventList(body: JsonObject): Outcome<EventList> {
  const { events, ...rest } = body
  if (!Array.isArray(events))
    return refused('body-unreadable', 'events[] required: an object with the list of events', '/events')
  // A source that does not know its name yet sends null, as for every member without a value.
  const stated = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null))
  const read = readStated(stated)
  return read.ok ? accepted({ ...read.value, events }) : read
}

/** How many members there are outside of the events. */
export function membersOutside(body: JsonObject): number {
  const options = body['processingOptions']
  return Object.keys(body).length + (isObject(options) ? Object.keys(options).length : 0)
}

const notLevel = misfit(`one of ${levels.join(', ')}`)
const notBoolean = misfit('true or false')
const boolean: Check = value => (typeof value === 'boolean' ? undefined : notBoolean)

const readStated = closedReader<Omit<EventList, 'events'>>(
  'body',
  'body-unreadable',
  closedObject<Omit<EventList, 'events'>>(
    {},
    {
      sourceId: text(NAME_CHARS_MAX),
      streamId: text(NAME_CHARS_MAX),
      processingOptions: closedObject<ProcessingOptions>(
        {},
        {
          requireCertification: boolean,
          distributionTopics: listOf(text(NAME_CHARS_MAX), TOPICS_MAX),
          consensusLevel: value => (isLevel(value) ? undefined : notLevel),
          backfill: boolean,
        },
      ),
    },
  ),
)

const listMembers = new Set(['sourceId', 'streamId', 'processingOptions', 'events'])
