import { useState } from 'preact/hooks'
import { list, number, object, text } from '../ask/shapes.ts'
import { useAnswer } from '../ask/use-answer.ts'
import { NoAnswer, Notice } from '../parts/notice.tsx'
import { State } from '../parts/state.tsx'
import { When } from '../parts/time.tsx'
import type { PageProps } from '../shell/page-props.ts'
import { useAskAsReader } from '../sign-in/as-reader.ts'
import { DownloadProof } from './download-proof.tsx'
import { Found } from './found.tsx'
import { type Found as FoundEvents, SearchBox } from './search-box.tsx'
import { eventShape, traceShape } from './trace-shape.ts'
import { Way } from './way.tsx'

/** Looked at again until the event has got where it goes. */
const LOOK_MS = 1_500

/** One event, from what was sent to the block that proves it. */
export function EventPage({ place }: PageProps) {
  const eventId = place.rest[0]
  const [found, setFound] = useState<{ readonly events: FoundEvents; readonly text: string }>()
  return (
    <>
      <div class="page-head">
        <h1>Event</h1>
      </div>
      <div class="card">
        <SearchBox asked="" found={(events, text) => setFound({ events, text })} />
        {found !== undefined && <Found {...found} />}
      </div>
      {eventId === undefined ? (
        found === undefined && <NewestEvents />
      ) : (
        <One key={eventId} eventId={eventId} />
      )}
    </>
  )
}

function NewestEvents() {
  const asks = useAskAsReader()
  const { answer, known } = useAnswer('/search?limit=15', newestShape, undefined, { asks })
  if (answer === undefined) return <p class="quiet">Loading…</p>
  if (known === undefined) return <NoAnswer answer={answer} what="The newest events" />
  return (
    <section class="card" aria-labelledby="newest">
      <h2 id="newest">Newest events</h2>
      {known.items.length === 0 ? (
        <p class="quiet">There is no event yet that you may read. What you send is here within a second.</p>
      ) : (
        <Found events={known.items} />
      )}
      <p class="source">From /search.</p>
    </section>
  )
}

const newestShape = object({
  items: list(
    object({ eventId: text, streamId: text, sourceId: text, state: text, type: text, ingestTimeMs: number }),
  ),
})

function One({ eventId }: { readonly eventId: string }) {
  const [isSettled, settle] = useState(false)
  const path = `/events/${encodeURIComponent(eventId)}`
  const asks = useAskAsReader()
  const everyMs = isSettled ? undefined : LOOK_MS
  const { answer, known } = useAnswer(`${path}/trace`, traceShape, everyMs, { asks })
  const event = useAnswer(path, eventShape, everyMs, { asks })
  if (known === undefined) {
    if (answer === undefined) return <p class="quiet">Loading…</p>
    if (answer.kind === 'refused' && answer.status === 404)
      return (
        <Notice title="There is no such event, or it is not for you">
          Of streams that are not public, a node says to strangers what it says of ids that never were.
          Whoever may read one <a href="#/feeds">signs in</a> first.
        </Notice>
      )
    return <NoAnswer answer={answer} what="This event" />
  }
  const isAtRest = known.proven !== null || ['rejected', 'split', 'waived'].includes(known.state)
  if (isAtRest !== isSettled) settle(isAtRest)
  const isCertified = known.certified !== null && known.certified.versionId !== null
  return (
    <>
      <section class="card event-head" aria-label="The event">
        <div class="card-head">
          <p class="event-id">
            <code>{eventId}</code>
          </p>
          <State state={known.state} />
        </div>
        <dl class="facts">
          <dt>Stream</dt>
          <dd>
            {known.streamId}, partition {known.partition}, sequence {known.seq}
          </dd>
          <dt>Source</dt>
          <dd>
            {known.raw.sourceId}
            {known.raw.externalId !== null && (
              <>
                , which calls it <code>{known.raw.externalId}</code>
              </>
            )}
          </dd>
          <dt>Type</dt>
          <dd>{known.raw.type}</dd>
          <dt>Happened</dt>
          <dd>
            <When ms={known.raw.eventTimeMs} />
            {known.raw.qualityFlagNames.includes('ARRIVAL_TIME') && (
              <span class="quiet"> (it said no time, so it is when it came)</span>
            )}
          </dd>
          <dt>Worked on by</dt>
          <dd>
            {known.orchestration === 'quorum' && 'agents of several operators, who voted'}
            {known.orchestration === 'local' && 'this node alone: never called a consensus'}
            {known.orchestration === null && <span class="unknown">nobody yet</span>}
          </dd>
        </dl>
        <div class="row">
          {isCertified ? (
            <>
              <DownloadProof eventId={eventId} />
              <a class="button" href={`#/verify?event=${eventId}`}>
                Check it here
              </a>
            </>
          ) : (
            <p class="quiet">Its proof can be downloaded once it is certified.</p>
          )}
        </div>
      </section>
      {event.known?.lastError && (
        <Notice title="What went wrong last" kind="warn">
          {event.known.lastError}
        </Notice>
      )}
      <Way trace={known} event={event.known} />
    </>
  )
}
