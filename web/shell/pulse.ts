import { useEffect, useState } from 'preact/hooks'
import { ask } from '../ask/ask.ts'
import { flag, object, text } from '../ask/shapes.ts'
import { ANSWER_MS_MAX, LOOK_MS } from './pulse-times.ts'

/** Whether the node answers, from `/health/live`, looked at so often that a stop shows within two seconds. */
export type Pulse =
  | { readonly kind: 'asking' }
  | { readonly kind: 'here'; readonly node: NodeSaid }
  | {
      readonly kind: 'silent'
      readonly sinceMs: number
      readonly why: string
      readonly node: NodeSaid | undefined
    }

export type NodeSaid = {
  readonly network: string
  readonly economicFinality: boolean
  readonly startedAt: string
  readonly name: string
}

const live = object({
  network: text,
  economicFinality: flag,
  service: object({ name: text, startedAt: text }),
})

let pulse: Pulse = { kind: 'asking' }
const listeners = new Set<(pulse: Pulse) => void>()
let timer: ReturnType<typeof setTimeout> | undefined
let looking = false

export function usePulse(): Pulse {
  const [shown, setShown] = useState(pulse)
  useEffect(() => {
    listeners.add(setShown)
    setShown(pulse)
    if (listeners.size === 1) lookNow()
    return () => {
      listeners.delete(setShown)
      if (listeners.size === 0) clearTimeout(timer)
    }
  }, [])
  return shown
}

/** Something else has broken off: it is not waited until the next look. */
export function lookNow(): void {
  clearTimeout(timer)
  if (!looking) void look()
}

async function look(): Promise<void> {
  looking = true
  // Nobody sees it, and a tab in the background need not keep a node busy.
  if (!document.hidden) tell(await ask('/health/live', live, { signal: AbortSignal.timeout(ANSWER_MS_MAX) }))
  looking = false
  clearTimeout(timer)
  if (listeners.size > 0) timer = setTimeout(look, LOOK_MS)
}

function tell(answer: Awaited<ReturnType<typeof ask<ReturnType<typeof live>>>>): void {
  const before = pulse
  const known = before.kind === 'asking' ? undefined : before.node
  if (answer.kind === 'there') {
    const { network, economicFinality, service } = answer.value
    if (before.kind === 'here' && known?.startedAt === service.startedAt) return
    pulse = { kind: 'here', node: { network, economicFinality, ...service } }
  } else {
    if (before.kind === 'silent') return
    pulse = { kind: 'silent', sinceMs: Date.now(), why: answer.why, node: known }
  }
  for (const listener of listeners) listener(pulse)
}
