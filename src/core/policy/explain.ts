import type { Envelope } from '../event/envelope.ts'
import { setsAside } from '../issue.ts'
import { compilePath } from '../path.ts'
import { type CarriedState, emptyState } from '../rules/carried-state.ts'
import { compileRules } from '../rules/check-event.ts'
import { compileSource, type Step, unchanged } from './normalize-event.ts'
import { type PolicySet, sourcePolicyOf } from './policy-set.ts'

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
  const steps: Step[] = []
  const policy = sourcePolicyOf(set, event.sourceId)
  const { payload, issues, flags } = compileSource(policy)(event, step => steps.push(step))
  if (setsAside(issues)) return steps

  const normalized = { ...event, payload, qualityFlags: event.qualityFlags | flags }
  compileRules([...(policy.rules ?? []), ...(set.rules ?? [])])(normalized, state, {
    note(rule, issue) {
      const field = 'field' in rule ? rule.field : ''
      steps.push({ rule: rule.kind, field, ...unchanged(compilePath(field)(payload)), issue })
    },
  })
  return steps
}
