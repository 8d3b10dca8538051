import { canonicalJson } from '../canonical-json.ts'
import { digestHex } from '../digest.ts'
import type { Envelope } from '../event/envelope.ts'
import { qualityFlags } from '../event/quality-flags.ts'
import { type Issue, setsAside, shown } from '../issue.ts'
import { type Budget, newBudget } from './budget.ts'
import { type CarriedState, RULE_ID_CHARS, recall, remember } from './carried-state.ts'
import {
  divergenceCheck,
  type HistoryCheck,
  madCheck,
  monotonicCheck,
  rateCheck,
  zScoreCheck,
} from './history-checks.ts'
import { compileSchema } from './json-schema.ts'
import { compileLimits, type Limits } from './limits.ts'
import { compilePayloadType } from './payload-type.ts'
import type { Rule } from './rule.ts'
import {
  boundsCheck,
  enumCheck,
  patternCheck,
  predicateCheck,
  schemaCheck,
  skewCheck,
  stalenessCheck,
  sumCheck,
  type ValueCheck,
} from './value-checks.ts'

/**
 * What the rules find in one event, in the order of the rules. The state is changed in place, and only by events
 * that go on: a value that was set aside must not become what others are measured against.
 */
export type EventCheck = (event: Envelope, state: CarriedState, more?: More) => Issue[]
type More = {
  /** What is left for the packet; an event that stands alone has one of its own. */
  readonly budget?: Budget
  /** Hears of each issue and whose it is. */
  readonly note?: (rule: Rule, issue: Issue) => void
  /** Whether the event goes on: there may be more to find, or no room for it. */
  readonly goesOn?: (issues: Issue[]) => boolean
}

/** For rules that readRules accepted. A rule that is there twice is checked once. */
export function compileRules(rules: readonly Rule[]): EventCheck {
  const distinct = [...new Map(rules.map(rule => [ruleId(rule), rule]))]
  const checks = distinct.map(([id, rule]) => ({ rule, check: withVerdict(rule, id, compileRule(rule)) }))
  const limitsFor = compileLimits(distinct.map(([, rule]) => rule))
  return (event, state, { budget = newBudget(), note, goesOn = passes } = {}) => {
    const issues: Issue[] = []
    const lessons: Lesson[] = []
    if (checks.length > 0 && budget.steps <= 0) issues.push(tooMuchWork)
    else {
      const limits = limitsFor(event.payload, budget)
      for (const { rule, check } of checks)
        check(event, limits, state, lessons, issue => {
          issues.push(issue)
          note?.(rule, issue)
        })
    }
    if (goesOn(issues)) for (const learn of lessons) learn()
    return issues
  }
}

function passes(issues: readonly Issue[]): boolean {
  return !setsAside(issues)
}

/** For the events of a packet that come after it has used up its budget: none of their rules is checked. */
const tooMuchWork: Issue = { text: 'work-too-large::packet', severity: 'quarantine', flag: 0 }

/** Names a rule in the state, so that a rule that changes starts afresh and the others remember. */
export function ruleId(rule: Rule): string {
  return digestHex('assay:rule:1', canonicalJson(rule)).slice(0, RULE_ID_CHARS)
}

type Lesson = () => void
type JudgedCheck = (
  event: Envelope,
  limits: Limits,
  state: CarriedState,
  lessons: Lesson[],
  find: (issue: Issue) => void,
) => void

function withVerdict({ severity, flag }: Rule, id: string, check: ValueCheck | HistoryCheck): JudgedCheck {
  if (typeof check === 'function')
    return (event, limits, _state, _lessons, find) => {
      const text = check(event, limits)
      if (text !== undefined) find({ text, severity, flag })
    }
  return (event, { budget }, state, lessons, find) => {
    const seen = check.observe(event)
    if (seen === undefined) return
    if (typeof seen === 'string') {
      find({ text: seen, severity, flag })
      return
    }
    const remembered = recall(state, id, seen.sourceId, seen.key)
    if (remembered === undefined && state.evicted > 0) find(partialCoverage(check.name, seen.key))
    const memory = state.memories.get(id)
    budget.steps -= check.steps(seen, remembered?.values, memory)
    const text = check.find(seen, remembered?.values, memory)
    if (text !== undefined) find({ text, severity, flag })
    // An event time ahead of the log's clock would keep its key in the state for ever.
    const touchedMs = Math.max(remembered?.touchedMs ?? 0, Math.min(event.eventTimeMs, event.ingestTimeMs))
    lessons.push(() => {
      const values = check.learn(seen, remembered?.values)
      remember(state, id, seen.sourceId, seen.key, { touchedMs, values })
    })
  }
}

/** The state has forgotten keys, and this one may be among them: whether it is new cannot be known. */
function partialCoverage(name: string, key: string): Issue {
  return {
    text: `partial-coverage:${name}:${shown(key)}`,
    severity: 'flag',
    flag: qualityFlags.PARTIAL_COVERAGE,
  }
}

function compileRule(rule: Rule): ValueCheck | HistoryCheck {
  switch (rule.kind) {
    case 'schema':
      return schemaCheck(compileSchema(rule.schema))
    case 'payload-type':
      return schemaCheck(compilePayloadType(rule.name))
    case 'bounds':
      return boundsCheck(rule)
    case 'enum':
      return enumCheck(rule)
    case 'pattern':
      return patternCheck(rule)
    case 'predicate':
      return predicateCheck(rule)
    case 'sum':
      return sumCheck(rule)
    case 'staleness':
      return stalenessCheck(rule)
    case 'skew':
      return skewCheck(rule)
    case 'monotonic':
      return monotonicCheck(rule)
    case 'rate':
      return rateCheck(rule)
    case 'z-score':
      return zScoreCheck(rule)
    case 'mad':
      return madCheck(rule)
    case 'divergence':
      return divergenceCheck(rule)
  }
}
