import { backOff } from '../../runtime/back-off.ts'
import { pause } from '../../runtime/pause.ts'
import { orCutOff, type Session } from './session.ts'

export type ListenDeps = {
  /** A connection of its own, which emits `end` where it breaks. */
  session(): Promise<Session>
  readonly channels: readonly string[]
  onNotice(channel: string, payload: string): void
  /** Something may have been said unheard. */
  onGap(): void
  onFailure(error: unknown): void
  readonly bounds?: ListenBounds
}

export type ListenBounds = {
  /** How often the server is asked whether it is still there: one that has lost its power does not say that it has. */
  readonly askMs: number
  /** So long it may take to answer; then it is gone. */
  readonly silenceMs: number
}

export const listenBounds: ListenBounds = { askMs: 10_000, silenceMs: 2_000 }

export type Listening = { stop(): Promise<void> }

/** Hears what is notified on these channels until it is stopped, on one connection after the other. */
export function listenTo(deps: ListenDeps): Listening {
  const stopping = new AbortController()
  const hearing = hear(deps, stopping.signal)
  return {
    async stop() {
      stopping.abort()
      await hearing
    },
  }
}

async function hear(deps: ListenDeps, stop: AbortSignal): Promise<void> {
  let failures = 0
  while (!stop.aborted) {
    try {
      await hearOnOne(deps, stop, () => {
        failures = 0
      })
    } catch (error) {
      deps.onFailure(error)
    }
    if (!stop.aborted) await pause(backOff(++failures), stop)
  }
}

async function hearOnOne(deps: ListenDeps, stop: AbortSignal, onHearing: () => void): Promise<void> {
  const { channels, bounds: { askMs, silenceMs } = listenBounds } = deps
  const client = await deps.session()
  const ended = new AbortController()
  client.once('end', () => ended.abort())
  const over = AbortSignal.any([stop, ended.signal])
  const ask = (text: string) => orCutOff(client, silenceMs, client.query(text))
  try {
    client.on('notification', ({ channel, payload = '' }) => deps.onNotice(channel, payload))
    if (over.aborted) return
    for (const channel of channels) await ask(`listen ${channel}`)
    onHearing()
    deps.onGap()
    for (;;) {
      await pause(askMs, over)
      if (over.aborted) return
      await ask('select')
    }
  } finally {
    await client.end()
  }
}
