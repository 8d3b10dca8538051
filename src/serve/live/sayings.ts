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
  say(group: Asking, followed: Followed, piece: Piece): Said
  /** From this place on, as much as is told at once; none where that is not kept. */
  from(group: Asking, followed: Followed, place: Place): readonly Said[]
  /** What is kept takes, about. */
  keptBytes(): number
}

/** Of a group. */
type Asking = { readonly route: LiveRoute; readonly filter: LiveFilter }

type Kept = Said & {
  readonly bytes: number
  readonly level: string
  readonly isKeyed: boolean
  forget(): void
}

export function openSayings(bytesMax: number): Sayings {
  const ofGroups = new WeakMap<Asking, Map<string, Kept>>()
  const all = new Set<Kept>()
  let keptBytes = 0

  const keep = (group: Asking, name: string, said: Omit<Kept, 'forget'>) => {
    const its = ofGroups.get(group) ?? new Map<string, Kept>()
    ofGroups.set(group, its)
    its.get(name)?.forget()
    const kept: Kept = {
      ...said,
      forget() {
        its.delete(name)
        all.delete(kept)
        keptBytes -= kept.bytes
      },
    }
    its.set(name, kept)
    all.add(kept)
    keptBytes += kept.bytes
    for (const oldest of all) {
      if (keptBytes <= bytesMax) break
      oldest.forget()
    }
  }

  /** Its stream may have been changed since. */
  const keptAt = (group: Asking, followed: Followed, place: Place): Kept | undefined => {
    const kept = ofGroups.get(group)?.get(nameOf(followed, place))
    const { level, isKeyed } = followed.partition
    return kept?.level === level && kept.isKeyed === isKeyed ? kept : undefined
  }

  return {
    say(group, followed, piece) {
      const { partition, tail } = followed
      const { level, isKeyed } = partition
      const messages = group.route.say(piece, { track: tail.track, partition }, group.filter, {
        reduced: false,
      })
      const said = { to: piece.to, messages }
      if (piece.said.kind !== 'gap')
        keep(group, nameOf(followed, piece.from), { ...said, bytes: bytesOf(messages), level, isKeyed })
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
    keptBytes: () => keptBytes,
  }
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
