import { liveStages } from '../../src/core/live/track.ts'
import { count, rate } from '../parts/figure.tsx'
import type { Series, Tally } from './tally.ts'

const means: Readonly<Record<(typeof liveStages)[number], string>> = {
  received: 'durable in the log',
  normalized: 'a quorum agreed on the form',
  validated: 'and on what the rules say',
  certified: 'a quorum stands for it',
  anchored: 'the network has the certificate',
  proven: 'a block has it',
}

/** The stages that events pass, with how many pass each of them. */
export function Pipeline(props: { readonly tally: Tally; readonly series: Series; readonly nowMs: number }) {
  const { tally, series, nowMs } = props
  const most = Math.max(1, ...liveStages.flatMap(stage => series.rates[stage].map(each => each ?? 0)))
  return (
    <ol class="pipeline">
      {liveStages.map(stage => {
        const perSecond = tally.rate(stage, nowMs)
        return (
          <li key={stage} class={`stage ${stage} ${perSecond !== null && perSecond > 0 ? 'flowing' : ''}`}>
            <p class="stage-name">{stage}</p>
            <p class="stage-rate">
              {perSecond === null ? <span class="unknown">not yet known</span> : rate(perSecond)}
              {perSecond !== null && <span class="unit"> /s</span>}
            </p>
            <Bars values={series.rates[stage].slice(-60)} most={most} />
            <p class="stage-total">
              <span class="stage-count">{count(tally.total(stage))}</span> heard
            </p>
            <p class="stage-means">{means[stage]}</p>
          </li>
        )
      })}
    </ol>
  )
}

function Bars({ values, most }: { readonly values: readonly (number | null)[]; readonly most: number }) {
  const path = values
    .map((value, i) =>
      value === null || value === 0 ? '' : `M${i + 0.5} 20v-${Math.max(0.8, (value / most) * 20)}`,
    )
    .join('')
  return (
    <svg class="bars" viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
      <path d="M0 19.8h60" class="bars-ground" />
      <path d={path} class="bars-values" />
    </svg>
  )
}
