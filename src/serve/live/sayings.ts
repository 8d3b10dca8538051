import { type Place, trackNumber } from '../../core/live/track.ts'
import type { LiveFilter } from './live-filter.ts'
import type { Message } from './message.ts'
import type { Piece } from './piece.ts'
import type { HubBounds, LiveRoute } from './ports.ts'
import type { Followed } from './tail.ts'

/** What a group is told of one piece. */
export type Saying = { readonly to: Place; readonly messages: readonly Message[] }

/**
 * What groups were told lately, for those of them who are behind. It takes a fraction of the events, so it reaches far
 * back, and finding what somebody wants and writing it down is done once; only the position in each message is each one's
 * own.
 */
export type Sayings = {
  /** Of this piece; kept, unless it is a gap, which may be filled when the next one comes to it. */
  say(group: Asking, followed: Followed, piece: Piece, lane?: Lane): Saying
  /** From this place on, as much as is told at once; none where that is not kept. */
  from(group: Asking, followed: Followed, place: Place): readonly Saying[]
  /** Lets go the oldest, as far as they were kept long enough; what is behind one that was not waits for it. */
  forget(): void
  /** What is kept takes, about. */
  keptBytes(): number
}

/** Whoever reads all there ever was is not to push out what those need who are a little behind. */
type Lane = 'live' | 'history'
const shares = { live: 0.75, history: 0.25 } as const

/** Without keeping it. */
export function sayingOf({ route, filter }: Asking, { tail, partition }: Followed, piece: Piece): Saying {
  const on = { track: tail.track, partition }
  return { to: piece.to, messages: route.say(piece, on, filter, { reduced: false }) }
}

/** Of a group. */
type Asking = { readonly route: LiveRoute; readonly filter: LiveFilter }

type Kept = Saying & {
  readonly bytes: number
  readonly untilMs: number
  forget(): void
}

export function openSayings(
  bounds: Pick<HubBounds, 'saidBytesMax' | 'saidMs' | 'historyKeptMs'>,
  now: () => number,
): Sayings {
  const ofGroups = new WeakMap<Asking, Map<string, Kept>>()
  const lanes = { live: openLane(), history: openLane() }

  const keep = (group: Asking, name: string, said: Omit<Kept, 'forget'>, lane: Lane) => {
    const its = ofGroups.get(group) ?? new Map<string, Kept>()
    ofGroups.set(group, its)
    its.get(name)?.forget()
    const { all } = lanes[lane]
    const bytesMax = bounds.saidBytesMax * shares[lane]
    if (said.bytes > bytesMax) return
    const kept: Kept = {
      ...said,
      forget() {
        its.delete(name)
        all.delete(kept)
        lanes[lane].bytes -= kept.bytes
      },
    }
    its.set(name, kept)
    all.add(kept)
    lanes[lane].bytes += kept.bytes
    if (lanes[lane].bytes <= bytesMax) return
    // Some more than that: a set is slow to begin with its oldest where many before it have gone.
    for (const oldest of all) {
      if (lanes[lane].bytes <= bytesMax * KEPT_SHARE) break
      oldest.forget()
    }
  }

  const keptAt = (group: Asking, followed: Followed, place: Place): Kept | undefined => {
    const kept = ofGroups.get(group)?.get(nameOf(followed, place))
    return kept !== undefined && now() < kept.untilMs ? kept : undefined
  }

  return {
    say(group, followed, piece, lane = 'live') {
      const saying = sayingOf(group, followed, piece)
      if (piece.said.kind === 'gap') return saying
      const isReceived = followed.tail.track.stage === 'received'
      const untilMs = now() + (isReceived ? bounds.saidMs : bounds.historyKeptMs)
      const kept = { ...saying, untilMs, bytes: bytesOf(saying.messages) }
      keep(group, nameOf(followed, piece.from), kept, lane)
      return saying
    },
    from(group, followed, place) {
      const row: Saying[] = []
      let [kept, bytes] = [keptAt(group, followed, place), 0]
      while (kept !== undefined && bytes < SAID_AT_ONCE_BYTES_MAX) {
        row.push(kept)
        bytes += kept.bytes
        kept = keptAt(group, followed, kept.to)
      }
      return row
    },
    forget() {
      for (const { all } of Object.values(lanes))
        for (const oldest of all) {
          if (now() < oldest.untilMs) break
          oldest.forget()
        }
    },
    keptBytes: () => lanes.live.bytes + lanes.history.bytes,
  }
}

/** In the order in which they were kept. */
function openLane() {
  return { all: new Set<Kept>(), bytes: 0 }
}

const KEPT_SHARE = 0.9
/** Given to one reader at once. */
const SAID_AT_ONCE_BYTES_MAX = 256 * 1024
/** What each takes beside its text, about. */
const SAID_BYTES = 400
const MESSAGE_BYTES = 150

function bytesOf(messages: readonly Message[]): number {
  let bytes = SAID_BYTES
  for (const { json } of messages) bytes += MESSAGE_BYTES + json.length
  return bytes
}

/** Its stream may be changed; what was said before that is then not told. */
function nameOf({ tail: { track }, partition: { level, isKeyed } }: Followed, { at, line }: Place): string {
  return `${trackNumber(track)} ${level} ${isKeyed} ${at} ${line}`
}
