import { useEffect, useState } from 'preact/hooks'
import type { Asks } from '../ask/ask.ts'
import { list, number, object, text } from '../ask/shapes.ts'
import { lookNow } from '../shell/pulse.ts'
import { useAskAsReader } from '../sign-in/as-reader.ts'
import { useIdentity } from '../sign-in/identity.ts'
import { watchQuery } from '../sign-in/watch-ticket.ts'
import { type FollowState, followWatch } from './follow-watch.ts'
import { type LiveModel, openLiveModel } from './live-model.ts'

/** Painted so often, however much is heard. */
const PAINT_MS = 250

const newest = object({
  items: list(
    object({
      eventId: text,
      streamId: text,
      sourceId: text,
      state: text,
      partition: number,
      seq: number,
      ingestTimeMs: number,
    }),
  ),
})

/** Goes on while one looks at another page of the portal, and is picked up again. */
let kept:
  | { readonly model: LiveModel; readonly sinceMs: number; readonly whose: string | undefined }
  | undefined

export type Live = {
  readonly model: LiveModel
  readonly sinceMs: number
  readonly state: FollowState
  readonly nowMs: number
}

export function useLive(): Live {
  const signer = useIdentity()?.signer
  const asks = useAskAsReader()
  const whose = signer?.identityKey
  // What one may read is not shown to whoever comes after.
  if (kept?.whose !== whose) kept = undefined
  kept ??= { model: openLiveModel(), sinceMs: Date.now(), whose }
  const { model, sinceMs } = kept
  const [state, setState] = useState<FollowState>('connecting')
  const [nowMs, setNow] = useState(Date.now)
  useEffect(() => {
    let current: FollowState = 'connecting'
    const following = followWatch({
      query: () => watchQuery(signer),
      message: data => void model.hear(data, Date.now()),
      state: told => {
        current = told
        setState(told)
        if (told !== 'connecting') lookNow()
      },
    })
    const painting = setInterval(() => {
      if (document.hidden) return
      if (current === 'open') model.listening(Date.now())
      setNow(Date.now())
    }, PAINT_MS)
    void seed(model, asks)
    return () => {
      clearInterval(painting)
      following.stop()
    }
  }, [model, signer, asks])
  return { model, sinceMs, state, nowMs }
}

async function seed(model: LiveModel, ask: Asks): Promise<void> {
  const answer = await ask('/search?limit=30', newest)
  if (answer.kind !== 'there') return
  model.seed(answer.value.items.map(({ ingestTimeMs, ...event }) => ({ ...event, heardMs: ingestTimeMs })))
}
