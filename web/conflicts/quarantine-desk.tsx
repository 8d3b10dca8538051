import { useEffect, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { NoAnswer } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import { HeldItemCard } from './held-item.tsx'
import { type ListedItem, listShape } from './held-shape.ts'
import { askAsOperator, hasToken, rememberToken } from './operator-call.ts'

const states = ['held', 'released', 'waived'] as const

/** For operators: what is held, one by one, to be looked at, mended, let in or given up. */
export function QuarantineDesk() {
  const [isIn, setIn] = useState(hasToken)
  return (
    <section class="card" aria-labelledby="desk">
      <div class="card-head">
        <h2 id="desk">Decide over what is held</h2>
        {isIn && (
          <button
            type="button"
            onClick={() => {
              rememberToken(undefined)
              setIn(false)
            }}
          >
            Forget the token
          </button>
        )}
      </div>
      {isIn ? <Desk /> : <TokenForm given={() => setIn(true)} />}
    </section>
  )
}

function TokenForm({ given }: { given(): void }) {
  const [token, setToken] = useState('')
  const [refused, setRefused] = useState<Answer<unknown>>()
  const enter = async (event: Event) => {
    event.preventDefault()
    rememberToken(token.trim())
    const answer = await askAsOperator('/admin/quarantine?limit=1', listShape)
    if (answer.kind === 'there') return given()
    rememberToken(undefined)
    setRefused(answer)
  }
  return (
    <form class="fields" onSubmit={enter}>
      <p class="quiet">
        Operators of this node see what was sent, and decide. The token is ADMIN_TOKEN of the node; this page
        keeps it until it is left, and nowhere else.
      </p>
      <div>
        <label class="field-label" for="token">
          Operator's token
        </label>
        <div class="search-row">
          <input
            id="token"
            type="password"
            autocomplete="off"
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
          <button type="submit" class="first" disabled={token.trim() === ''}>
            Open
          </button>
        </div>
      </div>
      {refused !== undefined && <NoAnswer answer={refused} what="The node does not let you in" />}
    </form>
  )
}

function Desk() {
  const [state, setState] = useState<(typeof states)[number]>('held')
  const [items, setItems] = useState<readonly ListedItem[]>()
  const [below, setBelow] = useState<string | null>(null)
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [open, setOpen] = useState<string>()

  const look = async (from: string | null) => {
    const query = new URLSearchParams({ state, limit: '25', ...(from !== null && { below: from }) })
    const answer = await askAsOperator(`/admin/quarantine?${query}`, listShape)
    if (answer.kind !== 'there') return setRefused(answer)
    setRefused(undefined)
    setItems(before => [...(from === null ? [] : (before ?? [])), ...answer.value.data.items])
    setBelow(answer.value.data.below)
  }
  useEffect(() => {
    setItems(undefined)
    setOpen(undefined)
    void look(null)
  }, [state])

  return (
    <>
      <fieldset class="row" aria-label="Which items">
        {states.map(each => (
          <button key={each} type="button" aria-pressed={state === each} onClick={() => setState(each)}>
            {each}
          </button>
        ))}
      </fieldset>
      {refused !== undefined && <NoAnswer answer={refused} what="The list" />}
      {items === undefined ? (
        <p class="quiet">Loading…</p>
      ) : items.length === 0 ? (
        <p class="quiet">
          {state === 'held' ? 'Nothing waits for a decision.' : `Nothing was ${state} yet.`}
        </p>
      ) : (
        <ul class="held">
          {items.map(item => (
            <li key={item.id}>
              <button
                type="button"
                class="held-line"
                aria-expanded={open === item.id}
                onClick={() => setOpen(open === item.id ? undefined : item.id)}
              >
                <span class="held-id">#{item.id}</span>
                <span class="held-where">
                  {item.streamId} · {item.sourceId}
                </span>
                <span class="state warn">{item.reason}</span>
                <When ms={item.receivedMs} />
              </button>
              {open === item.id && <HeldItemCard id={item.id} decided={() => void look(null)} />}
            </li>
          ))}
        </ul>
      )}
      {below !== null && (
        <p>
          <button type="button" onClick={() => void look(below)}>
            Older ones
          </button>
        </p>
      )}
      <p class="source">From /admin/quarantine, the newest first.</p>
    </>
  )
}
