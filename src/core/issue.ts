import type { Json } from './canonical-json.ts'

/** What a rule found. `text` keeps one greppable shape, `<code>:<field>:<detail>`, for example `bounds-min:val:3<5`. */
export type Issue = {
  readonly text: string
  readonly severity: Severity
  /** Quality flag bits that the rule sets; 0 for none. */
  readonly flag: number
}

/** flag: the event goes on, marked; quarantine: set aside until its owner decides; reject: refused for good. */
export const severities = ['flag', 'quarantine', 'reject'] as const
export type Severity = (typeof severities)[number]

export function worstOf(issues: readonly Issue[]): Severity | undefined {
  let worst = -1
  for (const issue of issues) worst = Math.max(worst, severities.indexOf(issue.severity))
  return severities[worst]
}

/** Whether these issues keep the event from going on. */
export function setsAside(issues: readonly Issue[]): boolean {
  return issues.some(issue => issue.severity !== 'flag')
}

/** Issues are read by people and stored per event: a value in one is cut to this many UTF-16 code units. */
export const ISSUE_VALUE_CHARS_MAX = 64

/** A value as it stands in an issue's text. */
export function shown(value: Json): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'array' : 'object'
  const text = String(value)
  if (text.length <= ISSUE_VALUE_CHARS_MAX) return text
  // The cut may fall between the halves of a surrogate pair, which canonical JSON would refuse.
  return `${text.slice(0, ISSUE_VALUE_CHARS_MAX).toWellFormed()}…`
}
