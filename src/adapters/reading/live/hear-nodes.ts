import { type ListenDeps, type Listening, listenTo } from '../../postgres/listen.ts'
import { PACKETS_CHANNEL, RECEIVED_CHANNEL, readTold } from './tell-nodes.ts'

export type HearNodesDeps = Pick<ListenDeps, 'session' | 'onGap' | 'onFailure'> & {
  onTold(what: 'received' | 'packets', partitionIds: readonly number[]): void
}

/** Listens to all nodes on the database, this one too, until it is stopped. */
export function hearNodes({ onTold, ...deps }: HearNodesDeps): Listening {
  return listenTo({
    ...deps,
    channels: [RECEIVED_CHANNEL, PACKETS_CHANNEL],
    onNotice(channel, payload) {
      const ids = readTold(payload)
      if (ids === undefined) deps.onGap()
      else onTold(channel === RECEIVED_CHANNEL ? 'received' : 'packets', ids)
    },
  })
}
