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
