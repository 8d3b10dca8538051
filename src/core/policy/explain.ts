import type { Json } from '../canonical-json.ts'
import type { Envelope } from '../event/envelope.ts'
import { type Issue, setsAside } from '../issue.ts'
import { compilePath } from '../path.ts'
import type { Budget } from '../rules/budget.ts'
import { type CarriedState, emptyState } from '../rules/carried-state.ts'
import { compileRules, type EventCheck } from '../rules/check-event.ts'
import { compileSource, type Normalize, type Step, unchanged } from './normalize-event.ts'
import { type PolicySet, type SourcePolicy, sourcePolicyOf } from './policy-set.ts'

/**
 * What each part of the policy did to one event, in order. Setting every `after`, from an empty object on, gives
 * the normalised payload; the flags of all issues, and QUARANTINED where one sets the event aside, are the flags
 * that were added. Nothing happens unlisted.
 *
 * Rules that remember are asked as of `state`, which is used up; the default is a partition's beginning.
 */
export function explain(
  set: PolicySet,
  event: Envelope,
  state: CarriedState = emptyState(),
): readonly Step[] {
  return openExplainer(set, { state })(event).steps
}

export type Explained = {
  readonly steps: readonly Step[]
  /** Normalised, also of an event that is set aside. */
  readonly payload: Json
  readonly issues: readonly Issue[]
}

/**
 * Explains one event after the other, each as what comes behind those before it. With a budget they share it, and those that come
 * when it is used up have an issue that says so.
 */
export function openExplainer(
  set: PolicySet,
  { state = emptyState(), budget }: { readonly state?: CarriedState; readonly budget?: Budget } = {},
): (event: Envelope) => Explained {
  const compiled = new Map<SourcePolicy, Compiled>()
  return event => {
    const policy = sourcePolicyOf(set, event.sourceId)
    const { normalize, check } = compiled.get(policy) ?? compile(set, policy)
    compiled.set(policy, { normalize, check })
    const steps: Step[] = []
    const { payload, issues, flags } = normalize(event, step => steps.push(step))
    if (setsAside(issues)) return { steps, payload, issues }

    const normalized = { ...event, payload, qualityFlags: event.qualityFlags | flags }
    const found = check(normalized, state, {
      ...(budget !== undefined && { budget }),
      note(rule, issue) {
        const field = 'field' in rule ? rule.field : ''
        steps.push({ rule: rule.kind, field, ...unchanged(compilePath(field)(payload)), issue })
      },
    })
    return { steps, payload, issues: [...issues, ...found] }
  }
}

type Compiled = { readonly normalize: Normalize; readonly check: EventCheck }

function compile(set: PolicySet, policy: SourcePolicy): Compiled {
  return {
    normalize: compileSource(policy),
    check: compileRules([...(policy.rules ?? []), ...(set.rules ?? [])]),
  }
}
