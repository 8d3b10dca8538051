import { type Connection, connectSse, connectWebSocket } from '../../../bench/pipeline/connect.ts'
import type { Choices } from '../../core/rounds/simulator/choices.ts'
import { type Account, readTold, type Told } from './told.ts'

export type FollowerOptions = {
  readonly port: number
  readonly transport: 'sse' | 'websocket'
  readonly path: string
  readonly account: Account
  readonly choices: Choices
  /** `steady` only reads; `restless` goes away, comes back, and stops reading for a while; `stuck` reads nothing when told. */
  readonly manner: 'steady' | 'restless' | 'stuck'
  onTold?(told: Told): void
}

export type Follower = {
  readonly name: string
  readonly account: Account
  readonly counts: FollowerCounts
  stick(): void
  /** From now on it only reads. */
  settle(): void
}

type FollowerCounts = {
  messages: number
  bytes: number
  connections: number
  pauses: number
  reduced: number
  readonly cutOff: Record<string, number>
}

const ACT_MS_MAX = 8_000
const AWAY_MS_MAX = 600
const PAUSE_MS_MAX = 2_500
/** What a client waits that was let go before it connects again. */
const AGAIN_MS = 200

/** Follows from the first event on, whatever happens to its connections. */
export function follow({
  port,
  transport,
  path,
  account,
  choices,
  manner,
  onTold,
}: FollowerOptions): Follower {
  const counts: FollowerCounts = {
    messages: 0,
    bytes: 0,
    connections: 0,
    pauses: 0,
    reduced: 0,
    cutOff: {},
  }
  const { pick } = choices
  let [cursor, isSettled, isStuck] = ['earliest', false, false]
  let connection: Connection | undefined
  const connect = transport === 'sse' ? connectSse : connectWebSocket

  const open = () => {
    counts.connections += 1
    let isOver = false
    let lastWord = ''
    const own = connect(
      { port, path, cursor },
      {
        onMessage(json, at) {
          // What is still on its way to somebody who has gone is told again.
          if (connection !== own) return
          const told = readTold(json, account.withIds)
          counts.messages += 1
          counts.bytes += json.length
          if (told.type === 'received' && told.eventIds === null) counts.reduced += 1
          if (told.type === 'slow' || told.type === 'bye') lastWord = `${told.type} ${told.reason}`
          account.take(told)
          onTold?.(told)
          cursor = at ?? cursor
        },
        onEnd(why) {
          if (isOver) return
          isOver = true
          if (connection !== own) return
          connection = undefined
          const reason = lastWord === '' ? why : lastWord
          counts.cutOff[reason] = (counts.cutOff[reason] ?? 0) + 1
          setTimeout(() => (connection ??= open()), AGAIN_MS)
        },
      },
    )
    return own
  }
  connection = open()

  const act = () => {
    if (isSettled) return
    const mine = connection
    if (choices.chance(50)) {
      connection = undefined
      mine?.destroy()
      setTimeout(() => (connection ??= open()), pick(AWAY_MS_MAX))
    } else {
      counts.pauses += 1
      mine?.pause()
      setTimeout(() => mine?.resume(), pick(PAUSE_MS_MAX))
    }
    setTimeout(act, pick(ACT_MS_MAX))
  }
  if (manner === 'restless') setTimeout(act, pick(ACT_MS_MAX))

  return {
    name: `${manner} ${transport} ${path}`,
    account,
    counts,
    stick() {
      if (manner !== 'stuck') return
      isStuck = true
      connection?.pause()
    },
    settle() {
      isSettled = true
      if (isStuck) connection?.resume()
    },
  }
}
