import { changes } from '../feeds/shapes.ts'
import { NoAnswer } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import { useSigned } from '../sign-in/ask-signed.ts'
import type { Signer } from '../sign-in/identity.ts'

/** Who has changed what of what is yours. */
export function Changes({ signer }: { readonly signer: Signer }) {
  const { answer, again } = useSigned(signer, '/publishers/audit?limit=20', changes)
  return (
    <section class="card" aria-labelledby="changes">
      <div class="card-head">
        <h2 id="changes">What was changed</h2>
        <button type="button" onClick={again}>
          Look again
        </button>
      </div>
      {answer === undefined ? (
        <p class="quiet">Loading…</p>
      ) : answer.kind !== 'there' ? (
        <NoAnswer answer={answer} what="What was changed" />
      ) : answer.value.changes.length === 0 ? (
        <p class="quiet">Nothing yet.</p>
      ) : (
        <ul class="versions">
          {answer.value.changes.map(({ id, at, by, kind, subject, what }) => (
            <li key={id}>
              <span>
                {kind} <code>{subject}</code>: {what}
              </span>
              <span class="quiet">
                <When ms={Date.parse(at)} /> by {by === 'operator' ? 'the operator' : `${by.slice(0, 10)}…`}
              </span>
            </li>
          ))}
        </ul>
      )}
      <p class="source">From /publishers/audit, the newest first.</p>
    </section>
  )
}
