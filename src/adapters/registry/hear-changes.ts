import type { Client } from 'pg'
import { backOff } from '../../runtime/back-off.ts'
import type { Log } from '../../runtime/log.ts'
import { pause } from '../../runtime/pause.ts'
import { CHANNEL, type ChangeKind, readNotice } from './record-change.ts'

export type HearChangesDeps = {
  /** A connection of its own, which emits `end` where it breaks. */
  session(): Promise<Client>
  readonly log: Log
  onChange(kind: ChangeKind, subject: string): void
  /** Something may have changed unheard. */
  onGap(): void
}

export type HearingChanges = { stop(): Promise<void> }

/** Listens until it is stopped, on one connection after the other. */
export function hearChanges(deps: HearChangesDeps): HearingChanges {
  const stopping = new AbortController()
  const hearing = hear(deps, stopping.signal)
  return {
    async stop() {
      stopping.abort()
      await hearing
    },
  }
}

async function hear(deps: HearChangesDeps, stop: AbortSignal): Promise<void> {
  let failures = 0
  while (!stop.aborted) {
    try {
      await hearOnOne(deps, stop, () => {
        failures = 0
      })
    } catch (error) {
      deps.log.warn({ err: error }, 'changes of sources and streams are noticed up to a second late')
    }
    if (!stop.aborted) await pause(backOff(++failures), stop)
  }
}

async function hearOnOne(deps: HearChangesDeps, stop: AbortSignal, onHearing: () => void): Promise<void> {
  const client = await deps.session()
  const ended = new Promise<void>(resolve => client.once('end', () => resolve()))
  const end = () => void client.end()
  stop.addEventListener('abort', end)
  try {
    client.on('notification', ({ payload = '' }) => {
      const notice = readNotice(payload)
      if (notice === undefined) deps.onGap()
      else deps.onChange(notice.kind, notice.subject)
    })
    if (stop.aborted) return
    await client.query(`listen ${CHANNEL}`)
    onHearing()
    deps.onGap()
    await ended
  } finally {
    stop.removeEventListener('abort', end)
    await client.end()
  }
}
