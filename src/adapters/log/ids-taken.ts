import type { AppendOutcome } from '../../ingest/append.ts'
import type { IdsTaken } from './settle-identities.ts'

/** How the ids of the next transaction are taken, by whether there were repetitions of late. */
export type IdsMode = {
  now(): IdsTaken
  /** One that took them as new could not. */
  repeated(): void
  answered(outcomes: readonly AppendOutcome[]): void
}

/** Publishers who repeat themselves do it again soon. So many transactions without a repetition, and they have stopped. */
export const ASKED_AFTER_REPEAT = 100

export function openIdsMode(): IdsMode {
  let askedLeft = 0
  return {
    now: () => (askedLeft > 0 ? 'asked' : 'as-new'),
    repeated() {
      askedLeft = ASKED_AFTER_REPEAT
    },
    answered(outcomes) {
      if (askedLeft === 0) return
      askedLeft = outcomes.some(hasRepeats) ? ASKED_AFTER_REPEAT : askedLeft - 1
    },
  }
}

function hasRepeats(outcome: AppendOutcome): boolean {
  return (
    outcome.kind === 'answered' &&
    outcome.items.some(({ status }) => status === 'duplicate' || status === 'revision')
  )
}
