import { count, rate } from '../parts/figure.tsx'
import { span } from '../parts/time.tsx'
import { Wide } from '../parts/wide.tsx'
import type { LiveModel } from './live-model.ts'
import { STREAMS_MAX } from './live-model.ts'
import type { Tally } from './tally.ts'

/** What each stream brings; one can be looked at alone. */
export function StreamsTable(props: {
  readonly model: LiveModel
  readonly nowMs: number
  readonly chosen: string | undefined
  choose(streamId: string | undefined): void
}) {
  const { model, nowMs, chosen, choose } = props
  const rows = [...model.streams].sort(([a], [b]) => (a < b ? -1 : 1))
  if (rows.length === 0)
    return <p class="quiet">No stream has said anything yet since this page began to listen.</p>
  return (
    <Wide label="Streams">
      <table>
        <thead>
          <tr>
            <th scope="col">Stream</th>
            <th scope="col" class="num">
              Received /s
            </th>
            <th scope="col" class="num">
              Received
            </th>
            <th scope="col" class="num">
              Certified
            </th>
            <th scope="col" class="num">
              Proven
            </th>
            <th scope="col" class="num">
              To certified
            </th>
            <th scope="col" class="num">
              To proven
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([streamId, tally]) => (
            <tr key={streamId} class={chosen === streamId ? 'chosen' : ''}>
              <th scope="row">
                <button
                  type="button"
                  class="link"
                  aria-pressed={chosen === streamId}
                  onClick={() => choose(chosen === streamId ? undefined : streamId)}
                >
                  {streamId}
                </button>
              </th>
              <td class="num">{known(tally.rate('received', nowMs), rate)}</td>
              <td class="num">{count(tally.total('received'))}</td>
              <td class="num">{count(tally.total('certified'))}</td>
              <td class="num">{count(tally.total('proven'))}</td>
              <td class="num">{waitOf(tally, 'certified', nowMs)}</td>
              <td class="num">{waitOf(tally, 'proven', nowMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {model.unlisted() > 0 && (
        <p class="quiet">
          {STREAMS_MAX} streams are listed; {count(model.unlisted())} or more others are counted in the sums
          alone.
        </p>
      )}
    </Wide>
  )
}

function waitOf(tally: Tally, stage: 'certified' | 'proven', nowMs: number) {
  return known(tally.meanWait(stage, nowMs), span)
}

function known(value: number | null, shown: (value: number) => string) {
  return value === null ? <span class="unknown">–</span> : shown(value)
}
