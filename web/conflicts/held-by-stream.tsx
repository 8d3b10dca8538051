import { anything, list, number, object, orNull, text } from '../ask/shapes.ts'
import { useAnswer } from '../ask/use-answer.ts'
import { count } from '../parts/figure.tsx'
import { NoAnswer } from '../parts/notice.tsx'
import { Wide } from '../parts/wide.tsx'

const shape = object({
  items: list(
    object({ streamId: text, held: number, reasons: list(anything), waived: number, rejected: number }),
  ),
  nextCursor: orNull(text),
})

const LOOK_MS = 5_000

/** How much is held, for everybody to see; never what. */
export function HeldByStream() {
  const { answer, known } = useAnswer('/quarantine?limit=100', shape, LOOK_MS)
  const items = known?.items.filter(({ held, waived, rejected }) => held + waived + rejected > 0) ?? []
  return (
    <section class="card" aria-labelledby="held">
      <h2 id="held">Quarantine, by stream</h2>
      {known === undefined ? (
        answer === undefined ? (
          <p class="quiet">Loading…</p>
        ) : (
          <NoAnswer answer={answer} what="Quarantine" />
        )
      ) : items.length === 0 ? (
        <p class="quiet">
          {known.items.length === 0
            ? 'There is no public stream yet.'
            : `Nothing is held, and nothing was given up or refused, in ${known.items.length} streams.`}
        </p>
      ) : (
        <Wide label="Quarantine, by stream">
          <table>
            <thead>
              <tr>
                <th scope="col">Stream</th>
                <th scope="col" class="num">
                  Held now
                </th>
                <th scope="col">Why</th>
                <th scope="col" class="num">
                  Waived
                </th>
                <th scope="col" class="num">
                  Rejected
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ streamId, held, reasons, waived, rejected }) => (
                <tr key={streamId}>
                  <th scope="row">{streamId}</th>
                  <td class="num">{count(held)}</td>
                  <td>{reasons.map(reasonSaid).join(', ')}</td>
                  <td class="num">{count(waived)}</td>
                  <td class="num">{count(rejected)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      <p class="source">
        From /quarantine: held is now, waived and rejected since each stream began. What is held, only its
        publisher and this node's operators see.
      </p>
    </section>
  )
}

function reasonSaid(reason: unknown): string {
  if (typeof reason === 'string') return reason
  const { reason: name, count: many, held } = (reason ?? {}) as Readonly<Record<string, unknown>>
  const number = typeof many === 'number' ? many : held
  return `${String(name ?? 'unknown')}${typeof number === 'number' ? ` (${number})` : ''}`
}
