import type { Json } from '../core/canonical-json.ts'
import { composeEnvelope } from '../core/event/compose-envelope.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { identifyFirst } from '../core/event/identity.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type Issue, worstOf } from '../core/issue.ts'
import { openExplainer } from '../core/policy/explain.ts'
import type { Step } from '../core/policy/normalize-event.ts'
import { policyDigest } from '../core/policy/policy-set.ts'
import { type PolicyOwner, readOwnPolicy } from '../core/publisher/own-policy.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import { type AdmittedEvent, admitItem } from './admit-item.ts'
import { countMembers } from './formats/count-members.ts'
import { readItem } from './formats/read-item.ts'

/** A policy that somebody would like to put in force, and what it is to be tried on. All of it can be sent to a thread. */
export type DryRun = PolicyOwner & {
  /** As it was sent. */
  readonly policy: Json
  readonly nowMs: number
  /** Items of one source, as it would send them; or events that are in the log. */
  readonly tried:
    | { readonly source: Source; readonly samples: readonly Json[] }
    | { readonly events: readonly Envelope[] }
}

export type DryOutcome = { readonly digest: string; readonly events: readonly TriedEvent[] }

export type TriedEvent = {
  readonly eventId: string | null
  readonly sourceId: string
  readonly sent: Json
  readonly outcome: 'accepted' | 'quarantined' | 'rejected'
  /** After mapping, constants, defaults and coercion. */
  readonly payload: Json
  readonly steps: readonly Step[]
  readonly issues: readonly Issue[]
  /** Why it would not even enter the stream. */
  readonly fault: { readonly code: string; readonly detail: string; readonly pointer?: string } | null
}

/** What is shown of one, in characters of JSON: steps show what they have found before and after, again and again. */
const SHOWN_CHARS_MAX = 2_000_000

/** What rules may cost in one dry run: a second or so, where a packet may have as many as it takes. */
const STEPS_MAX = 20_000_000

/** What the policy would do to each of them, one after the other, from a partition's beginning on. Nothing is stored. */
export function dryRun({ policy, nowMs, tried, ...owner }: DryRun): Outcome<DryOutcome> {
  const set = readOwnPolicy(policy, owner)
  if (!set.ok) return set
  const explain = openExplainer(set.value, { budget: { steps: STEPS_MAX } })
  const length = openLengths()
  let shown = 0
  const explained = (event: Envelope, sent: Json): TriedEvent => {
    const { steps, payload, issues } = explain(event)
    shown += length(sent) + length(payload)
    for (const { before, after } of steps) shown += length(before) + length(after)
    const { eventId, sourceId } = event
    return { eventId, sourceId, sent, outcome: outcomeOf(issues), payload, steps, issues, fault: null }
  }
  const events =
    'events' in tried
      ? tried.events.map(event => explained(event, event.payload))
      : tried.samples.map((sent, index) => {
          const stream = {
            ...owner.settings,
            policy: set.value,
            policyDigest: policyDigest(set.value),
            policyNo: 0,
          }
          const admitted = admitSample(sent, { source: tried.source, stream, nowMs })
          if ('fault' in admitted) return admitted
          const { source } = tried
          return explained(envelopeOf(admitted, { source, stream, nowMs, index }), sent)
        })
  if (shown > SHOWN_CHARS_MAX)
    return refused(
      'policy-invalid',
      `what it does to these events takes more than ${SHOWN_CHARS_MAX} characters to show; try it on fewer of them, or smaller ones`,
    )
  return accepted({ digest: policyDigest(set.value), events })
}

/** Of values as JSON; one that comes again is not written again. */
function openLengths(): (value: Json | undefined) => number {
  const known = new Map<object, number>()
  return value => {
    if (typeof value !== 'object' || value === null) return String(value).length
    const length = known.get(value) ?? JSON.stringify(value).length
    known.set(value, length)
    return length
  }
}

type Trial = { readonly source: Source; readonly stream: Stream; readonly nowMs: number }

function admitSample(sent: Json, { source, stream, nowMs }: Trial): AdmittedEvent | TriedEvent {
  const admitted = admitItem(readItem(sent, countMembers(sent), source.shape), {
    ...{ source, stream },
    receivedMs: nowMs,
  })
  if (admitted.kind === 'event' && 'submission' in admitted) return admitted
  const why = { eventId: null, sourceId: source.sourceId, sent, payload: null, steps: [], issues: [] }
  if (admitted.kind === 'held')
    return { ...why, outcome: 'quarantined', fault: { code: admitted.reason, detail: admitted.detail } }
  const { code, detail, pointer } = admitted
  return { ...why, outcome: 'rejected', fault: { code, detail, ...(pointer !== undefined && { pointer }) } }
}

function envelopeOf(
  { submission, stated, payloadJcs, partitionKey, flags }: AdmittedEvent,
  { source, stream, nowMs, index }: Trial & { readonly index: number },
): Envelope {
  const { sourceId, sourceVersion, eventType, payloadType, dataVersion } = source
  const { streamId, domain } = stream
  const { nativeId, sourceSeq, eventTime } = stated
  const identified = identifyFirst(
    { sourceId, streamId, payloadJcs, nativeId, sourceSeq, eventTimeMs: eventTime?.ms },
    { ingestTimeMs: nowMs, key: 'dry run', index },
  )
  const assigned = {
    ...{ sourceId, sourceVersion, streamId, partitionKey, domain, payloadType, dataVersion },
    ...{ connectorId: 'dry-run', connectorVersion: '1', ingestTimeMs: nowMs, type: eventType },
  }
  return composeEnvelope(submission, assigned, stated, { ...identified, flags: identified.flags | flags })
}

function outcomeOf(issues: readonly Issue[]): TriedEvent['outcome'] {
  const worst = worstOf(issues)
  if (worst === 'reject') return 'rejected'
  return worst === 'quarantine' ? 'quarantined' : 'accepted'
}
