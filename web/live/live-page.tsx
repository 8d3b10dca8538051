import { useState } from 'preact/hooks'
import { Source } from '../parts/figure.tsx'
import { Notice } from '../parts/notice.tsx'
import { clockTime } from '../parts/time.tsx'
import { usePulse } from '../shell/pulse.ts'
import { useIdentity } from '../sign-in/identity.ts'
import { Ledger } from './ledger.tsx'
import { Pipeline } from './pipeline.tsx'
import { Plot } from './plot.tsx'
import { RecentList } from './recent-list.tsx'
import { StreamsTable } from './streams-table.tsx'
import { useLive } from './use-live.ts'

/** Events as they pass the stages, from being received to being proven. */
export function LivePage() {
  const { model, sinceMs, state, nowMs } = useLive()
  const pulse = usePulse()
  const signedIn = useIdentity() !== undefined
  const [chosen, choose] = useState<string>()
  const tally = (chosen === undefined ? undefined : model.streams.get(chosen)) ?? model.all
  const series = tally.series(nowMs)
  const isBroken = pulse.kind === 'silent' || state === 'broken' || state === 'refused'
  return (
    <>
      <div class="page-head">
        <h1>Live</h1>
        <p class={`listening ${isBroken ? 'broken' : state}`} role="status">
          {isBroken ? 'Not listening' : state === 'open' ? 'Listening' : 'Connecting…'}
        </p>
      </div>
      {isBroken && (
        <Notice
          title={pulse.kind === 'silent' ? 'The node does not answer' : 'The stream has broken off'}
          kind="bad"
        >
          {pulse.kind === 'silent'
            ? `Nothing was heard since ${clockTime(pulse.sinceMs)}. What is shown is from before; this page goes on by itself when the node is back.`
            : 'It is opened again by itself. A node takes so many listeners and no more: WATCH_MAX_CLIENTS.'}
        </Notice>
      )}
      <Ledger />
      <section aria-labelledby="stages" class="card">
        <div class="card-head">
          <h2 id="stages">{chosen ?? (signedIn ? 'All streams that you may read' : 'All public streams')}</h2>
          {chosen !== undefined && (
            <button type="button" onClick={() => choose(undefined)}>
              Show all
            </button>
          )}
        </div>
        <Pipeline tally={tally} series={series} nowMs={nowMs} />
        <Source>
          Heard on /watch by this page since {clockTime(sinceMs)}; rates are of the last five seconds, bars of
          the last minute.
          {model.gaps() > 0 && ` The node said ${model.gaps()} times that something was missing.`}
        </Source>
      </section>
      <div class="two">
        <section class="card" aria-label="Rates">
          <Plot
            label="Events per second"
            seconds={series.seconds}
            unit=""
            lines={[
              { label: 'received', color: '--received', values: series.rates.received, fill: true },
              { label: 'certified', color: '--certified', values: series.rates.certified },
              { label: 'proven', color: '--proven', values: series.rates.proven },
            ]}
          />
          <Source>
            Counted by this page from /watch, second by second; blank where it was not listening.
          </Source>
        </section>
        <section class="card" aria-label="Waits">
          <Plot
            label="Time on the way"
            seconds={series.seconds}
            unit=" s"
            lines={[
              { label: 'to certified', color: '--certified', values: series.waits.certified, isSparse: true },
              { label: 'to proven', color: '--proven', values: series.waits.proven, isSparse: true },
            ]}
          />
          <Source>
            Mean, from hearing that an event was received to hearing that it got there, by this browser's
            clock.
          </Source>
        </section>
      </div>
      <section aria-labelledby="streams" class="card">
        <div class="card-head">
          <h2 id="streams">Streams</h2>
        </div>
        <StreamsTable model={model} nowMs={nowMs} chosen={chosen} choose={choose} />
        <Source>Since {clockTime(sinceMs)}, from /watch; times are means of the last two minutes.</Source>
      </section>
      <RecentList recent={model.recent} chosen={chosen} />
    </>
  )
}
