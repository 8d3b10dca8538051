import { Transformations } from '../event/explanation.tsx'
import type { DryRun } from '../feeds/shapes.ts'
import { Json } from '../parts/json.tsx'

/** What a policy would make of some events, step by step. */
export function DryRunShown({ result }: { readonly result: DryRun }) {
  if (result.events.length === 0)
    return <p class="quiet">Nothing has come yet that it could be tried on: paste a payload on the left.</p>
  return (
    <ol class="dry-run">
      {result.events.map(({ eventId, sourceId, sent, outcome, payload, steps, issues, fault }, i) => (
        <li key={eventId ?? i}>
          <p>
            <span class={`state ${outcome === 'accepted' ? 'good' : 'warn'}`}>{outcome}</span>{' '}
            <span class="quiet">
              {eventId === null ? 'your sample' : `${eventId.slice(0, 10)}… of ${sourceId}`}
            </span>
          </p>
          {fault !== null && <p class="state bad">{fault.detail}</p>}
          {issues.length > 0 && (
            <ul class="issues">
              {issues.map(issue => (
                <li key={issue.text}>
                  <span class={`state ${issue.severity === 'error' ? 'bad' : 'warn'}`}>{issue.severity}</span>{' '}
                  <code>{issue.text}</code>
                </li>
              ))}
            </ul>
          )}
          <Json value={payload ?? sent} label={payload === null ? 'As it was sent' : 'As it would be'} />
          <details>
            <summary>Step by step</summary>
            <Transformations steps={steps} />
          </details>
        </li>
      ))}
    </ol>
  )
}
