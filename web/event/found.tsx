import { shortened } from '../parts/hash.tsx'
import { State } from '../parts/state.tsx'
import { When } from '../parts/time.tsx'
import type { Found as FoundEvents } from './search-box.tsx'

export function Found({ events, text }: { readonly events: FoundEvents; readonly text?: string }) {
  return (
    <>
      {text !== undefined && (
        <p>
          {events.length} events fit <code>{shortened(text)}</code>
          {events.length >= PAGE && ', and there may be more'}.
        </p>
      )}
      <ul class="recent">
        {events.map(({ eventId, streamId, sourceId, state, ingestTimeMs }) => (
          <li key={eventId}>
            <a href={`#/events/${eventId}`}>
              <code>{shortened(eventId)}</code>
            </a>
            <span class="recent-where">
              {streamId}
              <span class="recent-source"> · {sourceId}</span>
            </span>
            <State state={state} />
            <When ms={ingestTimeMs} />
          </li>
        ))}
      </ul>
    </>
  )
}

/** As many as the node lists at once when nobody says how many. */
const PAGE = 50
