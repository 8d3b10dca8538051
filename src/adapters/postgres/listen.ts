import type { Client } from 'pg'
import { backOff } from '../../runtime/back-off.ts'
import { pause } from '../../runtime/pause.ts'

export type ListenDeps = {
  /** A connection of its own, which emits `end` where it breaks. */
  session(): Promise<Client>
  readonly channels: readonly string[]
  onNotice(channel: string, payload: string): void
  /** Something may have been said unheard. */
  onGap(): void
  onFailure(error: unknown): void
}

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
  const client = await deps.session()
  const ended = new Promise<void>(resolve => client.once('end', () => resolve()))
  const end = () => void client.end()
  stop.addEventListener('abort', end)
  try {
    client.on('notification', ({ channel, payload = '' }) => deps.onNotice(channel, payload))
    if (stop.aborted) return
    for (const channel of deps.channels) await client.query(`listen ${channel}`)
    onHearing()
    deps.onGap()
    await ended
  } finally {
    stop.removeEventListener('abort', end)
    await client.end()
  }
}
