import { useState } from 'preact/hooks'
import type { Asks } from '../ask/ask.ts'
import { list, number, object, type Read, text } from '../ask/shapes.ts'
import { useAskAsReader } from '../sign-in/as-reader.ts'

const found = object({
  items: list(
    object({ eventId: text, streamId: text, sourceId: text, state: text, type: text, ingestTimeMs: number }),
  ),
})

export type Found = Read<typeof found>['items']

/** What may be asked for: an id of the node's, one of the source's own, or a hash that certificates carry. */
export function SearchBox(props: { readonly asked: string; found(events: Found, text: string): void }) {
  const [text, setText] = useState(props.asked)
  const [said, setSaid] = useState<string>()
  const asks = useAskAsReader()
  const look = async (event: Event) => {
    event.preventDefault()
    const wanted = text.trim()
    if (wanted === '') return
    setSaid('Looking…')
    const outcome = await lookFor(wanted, asks)
    if (typeof outcome === 'string') return setSaid(outcome)
    setSaid(undefined)
    if (outcome.length === 1 && outcome[0] !== undefined) location.hash = `#/events/${outcome[0].eventId}`
    else props.found(outcome, wanted)
  }
  return (
    <search>
      <form onSubmit={look}>
        <label class="field-label" for="wanted">
          Event id, an id of the source's own, content hash or version
        </label>
        <div class="search-row">
          <input
            id="wanted"
            type="search"
            value={text}
            maxLength={512}
            placeholder="64 hex digits, or an id as the source knows it"
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
          <button type="submit" class="first">
            Find
          </button>
        </div>
        <p class="field-hint" role="status">
          {said ?? 'Asked of /search. Of streams that are not public, nothing is found without signing in.'}
        </p>
      </form>
    </search>
  )
}

/** A hash says by itself nothing of what it is of, so each is tried. */
async function lookFor(wanted: string, ask: Asks): Promise<Found | string> {
  const hash = wanted.replace(/^sha256:/, '').toLowerCase()
  const names = /^[0-9a-f]{64}$/.test(hash) ? ['eventId', 'contentHash', 'versionId'] : []
  for (const name of names) {
    const answer = await ask(`/search?${new URLSearchParams({ [name]: hash })}`, found)
    if (answer.kind === 'there' && answer.value.items.length > 0) return answer.value.items
    if (answer.kind !== 'there') return answer.why
  }
  const answer = await ask(`/search?${new URLSearchParams({ nativeId: wanted })}`, found)
  if (answer.kind !== 'there') return answer.why
  return answer.value.items.length > 0 ? answer.value.items : 'Nothing that you may read has this id or hash.'
}
