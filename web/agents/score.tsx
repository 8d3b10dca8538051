import type { Agent } from './agent-shape.ts'

const words: Readonly<Record<string, string>> = {
  agreed: 'agreed with the quorum',
  dissenting: 'said something else',
  silent: 'did not answer in time',
  late: 'answered after the deadline',
  failed: 'said that it failed',
  void: 'an answer that nothing stands behind',
  equivocated: 'gave two different answers',
}

/** A score from 0 to 100, and what it is made of. */
export function Score({ reputation }: { readonly reputation: Agent['reputation'] }) {
  const { score, terms } = reputation
  const shown = terms.filter(({ count }) => count >= 0.005)
  return (
    <details class="score">
      <summary>
        <meter min={0} max={100} low={60} high={90} optimum={100} value={score} aria-label="Reputation" />
        {score.toFixed(score === 100 ? 0 : 1)}
      </summary>
      {shown.length === 0 ? (
        <p class="quiet">Has shown nothing yet, for itself or against.</p>
      ) : (
        <ul class="plain-list">
          {shown.map(({ term, count, weight }) => (
            <li key={term}>
              {count < 10 ? count.toFixed(2) : Math.round(count)} × {words[term] ?? term}{' '}
              <span class="quiet">
                (weight {weight > 0 ? '+' : ''}
                {weight})
              </span>
            </li>
          ))}
        </ul>
      )}
    </details>
  )
}
