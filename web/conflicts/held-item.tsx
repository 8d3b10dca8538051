import { useEffect, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { Json } from '../parts/json.tsx'
import { NoAnswer, Notice } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import type { HeldItem } from './held-shape.ts'
import type { Holdings } from './holdings.ts'
import { mergePatchOf } from './merge-patch-of.ts'

/** One item: what was sent, why it is held, and what may be done with it. */
export function HeldItemCard(props: { readonly id: string; readonly holdings: Holdings; decided(): void }) {
  const { id, holdings, decided } = props
  const [item, setItem] = useState<HeldItem>()
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [stays, setStays] = useState<Answer<unknown>>()
  const look = async () => {
    const answer = await holdings.look(id)
    if (answer.kind === 'there') setItem(answer.value)
    else setRefused(answer)
  }
  useEffect(() => void look(), [id, holdings])
  if (refused !== undefined) return <NoAnswer answer={refused} what="This item" />
  if (item === undefined) return <p class="quiet">Loading…</p>
  return (
    <div class="held-item">
      <p>{item.detail}</p>
      {item.state === 'held' ? (
        <Decide
          key={item.id}
          item={item}
          decide={async (action, said) => {
            const answer = await holdings.decide(item, action, said)
            setStays(answer.kind === 'there' ? undefined : answer)
            // Also where somebody else was quicker: then it is shown as it is now.
            if (answer.kind !== 'unreachable') void look()
            if (answer.kind === 'there') decided()
          }}
        />
      ) : (
        <Json value={item.held} label="What was sent" />
      )}
      {stays !== undefined &&
        (stays.kind === 'refused' ? (
          <Notice title="It was not decided" kind="warn">
            {stays.why}
          </Notice>
        ) : (
          <NoAnswer answer={stays} what="The decision" />
        ))}
      {item.eventId !== null && (
        <p>
          It became <a href={`#/events/${item.eventId}`}>this event</a>.
        </p>
      )}
      <h3>What happened to it</h3>
      <ul class="plain-list">
        {item.steps.map(({ atMs, action, who, detail }) => (
          <li key={`${atMs} ${action}`}>
            <When ms={atMs} /> {action} by <code>{who}</code> {detail}
          </li>
        ))}
      </ul>
    </div>
  )
}

function Decide(props: {
  readonly item: HeldItem
  decide(action: 'release' | 'waive', said: object): Promise<void>
}) {
  const { item, decide } = props
  const before = JSON.stringify(item.held, undefined, 2)
  const [text, setText] = useState(before)
  const [streamId, setStream] = useState('')
  const [override, setOverride] = useState(false)
  const [why, setWhy] = useState('')
  const [isBusy, setBusy] = useState(false)
  const edit = text === before ? { edit: undefined } : mergePatchOf(item.held, text)
  const isWrong = 'wrong' in edit

  const send = async (action: 'release' | 'waive', said: object) => {
    setBusy(true)
    await decide(action, said)
    setBusy(false)
  }
  return (
    <div class="fields">
      <div>
        <label class="field-label" for={`held-${item.id}`}>
          {item.may.edit
            ? 'What was sent; change it where it has to be changed'
            : 'What was sent, by the feed of another publisher, who alone may change it'}
        </label>
        <textarea
          id={`held-${item.id}`}
          rows={Math.min(18, before.split('\n').length + 1)}
          spellcheck={false}
          readOnly={!item.may.edit}
          value={text}
          aria-invalid={isWrong}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <p class="field-hint" role="status">
          {isWrong
            ? edit.wrong
            : edit.edit === undefined
              ? 'Unchanged. What was sent stays on record in any case.'
              : `Sent as a merge patch: ${JSON.stringify(edit.edit)}`}
        </p>
      </div>
      <div>
        <label class="field-label" for={`stream-${item.id}`}>
          Another stream, where it shall not go to {item.streamId}
        </label>
        <input
          id={`stream-${item.id}`}
          type="text"
          value={streamId}
          maxLength={256}
          onInput={({ currentTarget }) => setStream(currentTarget.value)}
        />
      </div>
      {item.may.override && (
        <label class="check">
          <input
            type="checkbox"
            checked={override}
            onChange={({ currentTarget }) => setOverride(currentTarget.checked)}
          />
          <span>Let its time pass, flagged</span>
        </label>
      )}
      <div class="row">
        <button
          type="button"
          class="first"
          disabled={isBusy || isWrong}
          onClick={() =>
            void send('release', {
              override,
              ...(streamId.trim() !== '' && { streamId: streamId.trim() }),
              ...('edit' in edit && edit.edit !== undefined && { edit: edit.edit }),
            })
          }
        >
          Release it
        </button>
      </div>
      <div>
        <label class="field-label" for={`why-${item.id}`}>
          Or give it up for good, because
        </label>
        <div class="search-row">
          <input
            id={`why-${item.id}`}
            type="text"
            value={why}
            maxLength={1000}
            onInput={({ currentTarget }) => setWhy(currentTarget.value)}
          />
          <button
            type="button"
            disabled={isBusy || why.trim() === ''}
            onClick={() => void send('waive', { why: why.trim() })}
          >
            Waive it
          </button>
        </div>
      </div>
    </div>
  )
}
