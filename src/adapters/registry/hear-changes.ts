import type { Log } from '../../runtime/log.ts'
import { type ListenDeps, type Listening, listenTo } from '../postgres/listen.ts'
import { CHANNEL, type ChangeKind, readNotice } from './record-change.ts'

export type HearChangesDeps = Pick<ListenDeps, 'session' | 'onGap'> & {
  readonly log: Log
  onChange(kind: ChangeKind, subject: string): void
}

/** Listens until it is stopped. */
export function hearChanges({ log, onChange, ...deps }: HearChangesDeps): Listening {
  return listenTo({
    ...deps,
    channels: [CHANNEL],
    onNotice(_channel, payload) {
      const notice = readNotice(payload)
      if (notice === undefined) deps.onGap()
      else onChange(notice.kind, notice.subject)
    },
    onFailure: error =>
      log.warn({ err: error }, 'changes of sources and streams are noticed up to a second late'),
  })
}
