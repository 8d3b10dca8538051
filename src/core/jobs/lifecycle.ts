/**
 * What an event can be, and what a job can be: every legal move, and the word that each family of seed routes
 * has for it, in one table. `on` names the causes; whatever is not listed cannot happen.
 *
 * `counted` is the event's place in the conservation sum of its stream: each item is in exactly one.
 */
export const eventStates = {
  received: {
    counted: 'inFlight',
    ingest: 'received',
    overlay: 'pending',
    // Its packet may leave a round before any stage was agreed.
    on: { normalize: 'normalized', 'leave-round': 'received', split: 'split' },
  },
  normalized: {
    counted: 'inFlight',
    ingest: 'normalized',
    overlay: 'pending',
    // A packet that leaves its round begins again: what was agreed so far binds nobody.
    on: { validate: 'validated', 'leave-round': 'received', split: 'split' },
  },
  validated: {
    counted: 'inFlight',
    ingest: 'normalized',
    overlay: 'valid',
    // A rule's verdict on one event stands once its packet is certified, with that verdict in it.
    on: {
      certify: 'certified',
      quarantine: 'quarantined',
      reject: 'rejected',
      'leave-round': 'received',
      split: 'split',
    },
  },
  certified: {
    counted: 'certified',
    ingest: 'certified',
    overlay: 'certified',
    on: { anchor: 'anchored' },
  },
  anchored: {
    counted: 'certified',
    ingest: 'certified',
    overlay: 'certified',
    on: { prove: 'proven', 'lose-anchor': 'certified' },
  },
  proven: {
    counted: 'certified',
    ingest: 'certified',
    overlay: 'certified',
    // A reorganisation takes the block away; the transaction may survive it, or not.
    on: { 'lose-proof': 'anchored', 'lose-anchor': 'certified' },
  },
  /** Said before: the event that it repeats has a state of its own. */
  duplicate: { counted: 'duplicate', ingest: 'received', overlay: 'pending', on: {} },
  rejected: { counted: 'rejected', ingest: 'failed', overlay: 'invalid', on: {} },
  quarantined: {
    counted: 'quarantined',
    ingest: 'failed',
    overlay: 'invalid',
    on: { release: 'received', waive: 'waived' },
  },
  waived: { counted: 'waived', ingest: 'failed', overlay: 'invalid', on: {} },
  /** Nobody has judged its content: certifiable later, so not invalid. */
  split: { counted: 'split', ingest: 'failed', overlay: 'pending', on: { reopen: 'received' } },
} as const satisfies Record<string, EventRow>

/** States in which ingest leaves an event. */
export const arrivals = ['received', 'duplicate', 'rejected', 'quarantined'] as const satisfies EventState[]

/** A job as its reader sees it: one stage of work, asked of one agent. */
export const jobStates = {
  queued: {
    ingest: 'queued',
    overlay: 'queued',
    // A job may be decided before all of its seats were offered.
    on: { offer: 'running', agree: 'completed', 'leave-round': 'failed' },
  },
  running: { ingest: 'running', overlay: 'running', on: { agree: 'completed', 'leave-round': 'failed' } },
  completed: {
    ingest: 'done',
    overlay: 'completed',
    // The transaction that spent its results died: the job is decided again.
    on: { 'lose-anchor': 'running' },
  },
  failed: { ingest: 'failed', overlay: 'failed', on: { retry: 'queued', split: 'dead' } },
  dead: { ingest: 'dead', overlay: 'dead', on: { reopen: 'queued' } },
} as const satisfies Record<string, JobRow>

export type EventState = keyof typeof eventStates
export type JobState = keyof typeof jobStates

type EventRow = {
  readonly counted: 'inFlight' | 'certified' | 'duplicate' | 'rejected' | 'quarantined' | 'waived' | 'split'
  readonly ingest: 'received' | 'normalized' | 'certified' | 'failed'
  readonly overlay: 'pending' | 'valid' | 'invalid' | 'certified'
  readonly on: { readonly [cause: string]: string }
}

type JobRow = {
  readonly ingest: 'queued' | 'running' | 'done' | 'failed' | 'dead'
  readonly overlay: 'queued' | 'running' | 'completed' | 'failed' | 'dead'
  readonly on: { readonly [cause: string]: string }
}

type CausesOf<Rows extends Record<string, { on: object }>> = {
  [State in keyof Rows]: keyof Rows[State]['on']
}[keyof Rows]

export type EventCause = CausesOf<typeof eventStates>
export type JobCause = CausesOf<typeof jobStates>

/** Where the cause leads from here, or undefined where it cannot occur. */
export function eventAfter(state: EventState, cause: EventCause): EventState | undefined {
  const on: { readonly [cause in EventCause]?: EventState } = eventStates[state].on
  return on[cause]
}

export function jobAfter(state: JobState, cause: JobCause): JobState | undefined {
  const on: { readonly [cause in JobCause]?: JobState } = jobStates[state].on
  return on[cause]
}
