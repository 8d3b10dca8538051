import { canonicalJson } from '../core/canonical-json.ts'
import type { Envelope } from '../core/event/envelope.ts'
import { compileSource, type Step } from '../core/policy/normalize-event.ts'
import { type PolicySet, sourcePolicyOf } from '../core/policy/policy-set.ts'
import type { OutputLine } from '../core/work/stage-output.ts'

/**
 * What the policy did to the payload, step by step, done again here: only where it leads to what the agents agreed on.
 * Null where it does not, or where that is not known, as then nobody can say what was done.
 */
export function transformationsOf(
  event: Envelope | undefined,
  policySet: PolicySet | null,
  agreed: OutputLine | undefined,
): readonly Step[] | null {
  if (event === undefined || policySet === null || agreed === undefined) return null
  const steps: Step[] = []
  const { payload, issues } = compileSource(sourcePolicyOf(policySet, event.sourceId))(event, step =>
    steps.push(step),
  )
  if (agreed.kind === 'event')
    return canonicalJson(payload) === canonicalJson(agreed.event.payload) ? steps : null
  const said = new Set(agreed.entry.issues)
  return issues.some(({ text }) => said.has(text)) ? steps : null
}

/** The rules that an event of this source is checked by, in their order, by kind. */
export function rulesFor(policySet: PolicySet | null, sourceId: string): readonly string[] | null {
  if (policySet === null) return null
  const rules = [...(sourcePolicyOf(policySet, sourceId).rules ?? []), ...(policySet.rules ?? [])]
  return rules.map(({ kind }) => kind)
}
