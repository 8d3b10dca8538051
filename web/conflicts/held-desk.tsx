import { useEffect, useState } from 'preact/hooks'
import type { Answer } from '../ask/ask.ts'
import { NoAnswer } from '../parts/notice.tsx'
import { When } from '../parts/time.tsx'
import { HeldItemCard } from './held-item.tsx'
import type { ListedItem } from './held-shape.ts'
import type { Holdings } from './holdings.ts'

const states = ['held', 'released', 'waived'] as const

/** What is held, one by one, to be looked at, mended, let in or given up. */
export function HeldDesk({ holdings }: { readonly holdings: Holdings }) {
  const [state, setState] = useState<(typeof states)[number]>('held')
  const [items, setItems] = useState<readonly ListedItem[]>()
  const [below, setBelow] = useState<string | null>(null)
  const [refused, setRefused] = useState<Answer<unknown>>()
  const [open, setOpen] = useState<string>()

  const look = async (from: string | null) => {
    const answer = await holdings.list(state, from)
    if (answer.kind !== 'there') return setRefused(answer)
    setRefused(undefined)
    setItems(before => [...(from === null ? [] : (before ?? [])), ...answer.value.items])
    setBelow(answer.value.older)
  }
  useEffect(() => {
    setItems(undefined)
    setOpen(undefined)
    void look(null)
  }, [holdings, state])

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
                  {item.streamId === item.feedId ? item.feedId : `${item.streamId} · ${item.feedId}`}
                </span>
                <span class="state warn">{item.reason}</span>
                <When ms={item.receivedMs} />
              </button>
              {open === item.id && (
                <HeldItemCard id={item.id} holdings={holdings} decided={() => void look(null)} />
              )}
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
      <p class="source">From {holdings.from}, the newest first.</p>
    </>
  )
}
