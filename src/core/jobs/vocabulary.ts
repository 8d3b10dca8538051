import { type Stage, stages } from '../rounds/template.ts'
import { type EventState, eventStates, type JobState, jobStates } from './lifecycle.ts'

const eventStateNames = Object.keys(eventStates) as EventState[]

/** The two families of routes that say the same with other words. */
export type Family = 'ingest' | 'overlay'

export type EventWord<F extends Family> = (typeof eventStates)[EventState][F]
export type JobWord<F extends Family> = (typeof jobStates)[JobState][F]

export function eventWord<F extends Family>(family: F, state: EventState): EventWord<F> {
  return eventStates[state][family]
}

export function jobWord<F extends Family>(family: F, state: JobState): JobWord<F> {
  return jobStates[state][family]
}

/** All that there are, in the order of states. */
export function eventWords<F extends Family>(family: F): EventWord<F>[] {
  return [...new Set(eventStateNames.map(state => eventWord(family, state)))]
}

/** What a filter for this word asks for. Several states share a word; a word nobody uses has none. */
export function eventStatesSaid(family: Family, word: string): EventState[] {
  return eventStateNames.filter(state => eventStates[state][family] === word)
}

/** Job words and job states are one to one. */
export function jobStateSaid(family: Family, word: string): JobState | undefined {
  return jobStateNames.find(state => jobStates[state][family] === word)
}

/**
 * Overlay clients' words for kinds of work. `distribute` is no stage: what is certified is served to whoever asks,
 * and nobody is paid or judged for it, so no job is ever of that type.
 */
export const jobTypes = [...stages, 'distribute'] as const

/** The stage that a filter for this type asks for, or undefined where no job can have it. */
export function stageSaid(word: string): Stage | undefined {
  return stages.find(stage => stage === word)
}

const jobStateNames = Object.keys(jobStates) as JobState[]
