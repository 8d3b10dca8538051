import { type Place, trackNumber } from '../../core/live/track.ts'
import type { LiveFilter } from './live-filter.ts'
import type { Message } from './message.ts'
import type { Piece } from './piece.ts'
import type { LiveRoute } from './ports.ts'
import type { Followed } from './tail.ts'

/** What a group is told of one piece. */
export type Said = { readonly to: Place; readonly messages: readonly Message[] }

/**
 * What groups were told lately, for those of them who are behind. It takes a fraction of the events, so it reaches far
 * back, and finding what somebody wants and writing it down is done once; only the position in each message is each one's
 * own.
 */
export type Sayings = {
  /** Of this piece; kept, unless it is a gap, which may be filled when the next one comes to it. */
  say(group: Asking, followed: Followed, piece: Piece, of?: Lane): Said
  /** From this place on, as much as is told at once; none where that is not kept. */
  from(group: Asking, followed: Followed, place: Place): readonly Said[]
  /** Lets go what was kept long enough. */
  forget(): void
  /** What is kept takes, about. */
  keptBytes(): number
}

/** Whoever reads all there ever was is not to push out what those need who are a little behind. */
type Lane = 'live' | 'history'
const shares = { live: 0.75, history: 0.25 } as const

export type SayingsBounds = {
  readonly saidBytesMax: number
  /** What was received stands as it is; what was said of packets, which may fall back, is kept for as long as history. */
  readonly saidMs: number
  readonly historyKeptMs: number
}

/** Of a group. */
type Asking = { readonly route: LiveRoute; readonly filter: LiveFilter }

type Kept = Said & {
  readonly bytes: number
  readonly untilMs: number
  readonly level: string
  readonly isKeyed: boolean
  forget(): void
}

export function openSayings(bounds: SayingsBounds, now: () => number): Sayings {
  const ofGroups = new WeakMap<Asking, Map<string, Kept>>()
  const lanes = { live: openLane(), history: openLane() }

  const keep = (group: Asking, name: string, said: Omit<Kept, 'forget'>, of: Lane) => {
    const lane = lanes[of]
    const bytesMax = bounds.saidBytesMax * shares[of]
    const its = ofGroups.get(group) ?? new Map<string, Kept>()
    ofGroups.set(group, its)
    its.get(name)?.forget()
    if (said.bytes > bytesMax) return
    const kept: Kept = {
      ...said,
      forget() {
        its.delete(name)
        lane.all.delete(kept)
        lane.bytes -= kept.bytes
      },
    }
    its.set(name, kept)
    lane.all.add(kept)
    lane.bytes += kept.bytes
    // Several at once: whoever begins at the oldest of so many passes over those that are gone.
    if (lane.bytes > bytesMax) lane.shrinkTo(bytesMax * 0.9)
  }

  /** Its stream may have been changed since. */
  const keptAt = (group: Asking, followed: Followed, place: Place): Kept | undefined => {
    const kept = ofGroups.get(group)?.get(nameOf(followed, place))
    const { level, isKeyed } = followed.partition
    return kept?.level === level && kept.isKeyed === isKeyed && now() < kept.untilMs ? kept : undefined
  }

  return {
    say(group, followed, piece, of = 'live') {
      const { partition, tail } = followed
      const { level, isKeyed } = partition
      const messages = group.route.say(piece, { track: tail.track, partition }, group.filter, {
        reduced: false,
      })
      const said = { to: piece.to, messages }
      if (piece.said.kind === 'gap') return said
      const untilMs = now() + (tail.track.stage === 'received' ? bounds.saidMs : bounds.historyKeptMs)
      const kept = { ...said, untilMs, bytes: bytesOf(messages), level, isKeyed }
      keep(group, nameOf(followed, piece.from), kept, of)
      return said
    },
    from(group, followed, place) {
      const row: Said[] = []
      let [kept, bytes] = [keptAt(group, followed, place), 0]
      while (kept !== undefined && bytes < TAKEN_BYTES_MAX) {
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
  const all = new Set<Kept>()
  const lane = {
    all,
    bytes: 0,
    shrinkTo(bytesMax: number) {
      for (const oldest of all) {
        if (lane.bytes <= bytesMax) break
        oldest.forget()
      }
    },
  }
  return lane
}

/** Given to one reader at once. */
const TAKEN_BYTES_MAX = 256 * 1024
/** What each takes beside its text, about. */
const SAID_BYTES = 400
const MESSAGE_BYTES = 150

function bytesOf(messages: readonly Message[]): number {
  let bytes = SAID_BYTES
  for (const { json } of messages) bytes += MESSAGE_BYTES + json.length
  return bytes
}

function nameOf({ tail: { track } }: Followed, { at, line }: Place): string {
  return `${trackNumber(track)} ${at} ${line}`
}
