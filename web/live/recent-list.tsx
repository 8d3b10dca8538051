import { useState } from 'preact/hooks'
import { count } from '../parts/figure.tsx'
import { shortened } from '../parts/hash.tsx'
import { State } from '../parts/state.tsx'
import { When } from '../parts/time.tsx'
import type { Recent, RecentEvent } from './recent.ts'

const SHOWN = 15

/** The newest events, each leading to what became of it. They can be held still, to be read. */
export function RecentList({
  recent,
  chosen,
}: {
  readonly recent: Recent
  readonly chosen: string | undefined
}) {
  const [held, setHeld] = useState<readonly RecentEvent[]>()
  const all = held ?? recent.events()
  const events = all.filter(({ streamId }) => chosen === undefined || streamId === chosen).slice(0, SHOWN)
  return (
    <section aria-labelledby="recent" class="card">
      <div class="card-head">
        <h2 id="recent">Newest events</h2>
        {all.length > 0 && (
          <button
            type="button"
            aria-pressed={held !== undefined}
            onClick={() => setHeld(held ? undefined : [...all])}
          >
            {held === undefined ? 'Hold still' : 'Go on'}
          </button>
        )}
      </div>
      {events.length === 0 ? (
        <p class="quiet">
          {chosen === undefined ? (
            <>
              No event has come yet. <a href="#/feeds">Register a feed</a>, send one with the command that is
              shown there, and it is here within a second.
            </>
          ) : (
            'None of this stream is among the newest.'
          )}
        </p>
      ) : (
        <ul class="recent">
          {events.map(event => (
            <li key={event.eventId}>
              <a href={`#/events/${event.eventId}`}>
                <code>{shortened(event.eventId)}</code>
              </a>
              <span class="recent-where">
                {event.streamId}
                <span class="recent-source"> · {event.sourceId}</span>
              </span>
              <State state={event.state} />
              <When ms={event.heardMs} />
            </li>
          ))}
        </ul>
      )}
      <p class="source">
        From /search when this page was opened, then from /watch.{' '}
        {recent.passedOver() > 0 &&
          `A sample: ${count(recent.passedOver())} more were received and are counted, not listed.`}
      </p>
    </section>
  )
}
