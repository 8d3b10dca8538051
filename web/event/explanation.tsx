import { Json } from '../parts/json.tsx'
import { Wide } from '../parts/wide.tsx'

/** What the policy did to an event, step by step, and what its rules found. */
export function Transformations({ steps }: { readonly steps: readonly unknown[] | null }) {
  if (steps === null)
    return (
      <p class="unknown">
        What the policy did is not known: doing it again here did not lead to what was agreed, or the bytes
        are gone.
      </p>
    )
  if (steps.length === 0) return <p>The policy took nothing over.</p>
  const isAsSent = steps.length === 1 && member(steps[0], 'rule') === 'as-sent'
  if (isAsSent) return <p>The policy of this source changes nothing: the payload is taken as it was sent.</p>
  return (
    <Wide label="What the policy did">
      <table class="steps">
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">Field</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step, i) => (
            <tr key={i}>
              <th scope="row">{String(member(step, 'rule') ?? '')}</th>
              <td>
                <code>{String(member(step, 'field') || '/')}</code>
                {member(step, 'from') !== undefined && (
                  <span class="quiet">
                    {' '}
                    from <code>{String(member(step, 'from'))}</code>
                  </span>
                )}
              </td>
              <td>
                <code>{brief(member(step, 'before'))}</code>
              </td>
              <td>
                <code>{brief(member(step, 'after'))}</code>
                {member(step, 'issue') !== undefined && (
                  <span class="state warn">{brief(member(step, 'issue'))}</span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

const verdictTones: Readonly<Record<string, string>> = {
  passed: 'good',
  flagged: 'warn',
  quarantined: 'warn',
  rejected: 'bad',
}

export function Judgement(props: {
  readonly verdict: string | null
  readonly issues: readonly unknown[] | null
  readonly rules: readonly unknown[] | null
}) {
  const { verdict, issues, rules } = props
  if (verdict === null) return <p class="unknown">What was agreed about this event is not kept here.</p>
  return (
    <div class="judgement">
      <p>
        Verdict <span class={`state ${verdictTones[verdict] ?? ''}`}>{verdict}</span>{' '}
        {rules !== null &&
          (rules.length === 0
            ? 'No rule is set for this source; the form alone was looked at.'
            : `Looked at by ${rules.length} rule${rules.length === 1 ? '' : 's'}: ${rules.map(String).join(', ')}.`)}
      </p>
      {issues !== null && issues.length > 0 && (
        <ul class="issues">
          {issues.map(issue => (
            <li key={String(issue)}>
              <code>{brief(issue)}</code>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** A payload before and after, one beside the other where there is room. */
export function Payloads({ raw, normalized }: { readonly raw: unknown; readonly normalized: unknown }) {
  return (
    <div class="two payloads">
      <div>
        <h3>As sent</h3>
        {raw === null || raw === undefined ? (
          <p class="unknown">not kept here</p>
        ) : (
          <Json value={raw} label="The payload as it was sent" />
        )}
      </div>
      <div>
        <h3>As agreed</h3>
        {normalized === null || normalized === undefined ? (
          <p class="unknown">nothing is agreed yet, or its rules have set it aside</p>
        ) : (
          <Json value={normalized} label="The payload as agents agreed on it" />
        )}
      </div>
    </div>
  )
}

function member(step: unknown, name: string): unknown {
  return typeof step === 'object' && step !== null ? (step as Record<string, unknown>)[name] : undefined
}

const BRIEF_MAX = 120

function brief(value: unknown): string {
  if (value === undefined) return '–'
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.length > BRIEF_MAX ? `${text.slice(0, BRIEF_MAX)}…` : text
}
