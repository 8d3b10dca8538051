import { accepted, type Outcome, refused } from '../core/fault.ts'

/**
 * Dotted names are for people, BRC-87 names for the wire: `gitdata.events.normalize` is the topic
 * `tm_gitdata_events_normalize` and the lookup service `ls_gitdata_events_normalize`. Segments are plain lower
 * case letters, so a name has exactly one translation each way.
 */
const OVERLAY_NAME_CHARS_MAX = 50

type OverlayPrefix = 'tm_' | 'ls_'

export function topicOf(dotted: string): Outcome<string> {
  return overlayName('tm_', dotted)
}

export function lookupServiceOf(dotted: string): Outcome<string> {
  return overlayName('ls_', dotted)
}

/** The dotted name of a topic or lookup service. */
export function dottedNameOf(name: string): Outcome<string> {
  const dotted = name.slice(3).replaceAll('_', '.')
  const prefix = overlayPrefixes.find(known => name.startsWith(known))
  if (prefix === undefined || name.includes('.'))
    return invalid(name, 'an overlay name is tm_ or ls_ and segments of a to z joined by underscores')
  const back = overlayName(prefix, dotted)
  return back.ok ? accepted(dotted) : back
}

/** What a node hosts from the start; further dotted names are labels of streams, not topics. */
export const baseTopics = {
  ingest: 'tm_gitdata_events_ingest',
  normalize: 'tm_gitdata_events_normalize',
  validate: 'tm_gitdata_events_validate',
  certify: 'tm_gitdata_events_certify',
  certified: 'tm_gitdata_events_certified',
  agents: 'tm_gitdata_agents',
  ship: 'tm_ship',
  slap: 'tm_slap',
  uhrp: 'tm_uhrp',
} as const

/** Those that events, and the work on them, go through: whether other hosts are told of these is the operator's to say. */
export const eventTopics: readonly string[] = [
  baseTopics.ingest,
  baseTopics.normalize,
  baseTopics.validate,
  baseTopics.certify,
  baseTopics.certified,
]

export const baseLookupServices = {
  events: 'ls_gitdata_events',
  jobs: 'ls_gitdata_jobs',
  certificates: 'ls_gitdata_certificates',
  agents: 'ls_gitdata_agents',
  ship: 'ls_ship',
  slap: 'ls_slap',
  uhrp: 'ls_uhrp',
} as const

const overlayPrefixes: readonly OverlayPrefix[] = ['tm_', 'ls_']
const dottedForm = /^[a-z]+(?:\.[a-z]+)*$/

function overlayName(prefix: OverlayPrefix, dotted: string): Outcome<string> {
  if (prefix.length + dotted.length > OVERLAY_NAME_CHARS_MAX)
    return invalid(dotted, `with its prefix it has more than ${OVERLAY_NAME_CHARS_MAX} characters`)
  if (!dottedForm.test(dotted)) return invalid(dotted, 'its segments are not all of the letters a to z')
  return accepted(prefix + dotted.replaceAll('.', '_'))
}

function invalid(name: string, why: string): Outcome<never> {
  return refused('name-invalid', `"${name.slice(0, OVERLAY_NAME_CHARS_MAX)}" is not an overlay name: ${why}`)
}
