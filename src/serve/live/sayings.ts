import type { Followed, Group } from './group.ts'
import type { Message } from './message.ts'
import type { Piece } from './piece.ts'

/**
 * What was said of pieces just now, for whoever asks for the same and is a little behind: looking for what they want, and
 * writing it down, is done once for all of them, and only the place in each message is each one's own.
 */
export type Sayings = {
  of(group: Pick<Group, 'route' | 'filter' | 'asks'>, followed: Followed, piece: Piece): readonly Message[]
  /** What is kept takes at most, about. */
  keptBytes(): number
}

type Said = {
  readonly messages: readonly Message[]
  readonly level: string
  readonly isKeyed: boolean
}
/** None of them keeps a piece that nobody else does. */
type Kept = WeakMap<Piece, Map<string, Said>>

export function openSayings(bytesMax: number): Sayings {
  // Once the newer half is full, the older one is let go.
  let [newer, older]: [Kept, Kept] = [new WeakMap(), new WeakMap()]
  let [newerBytes, olderBytes] = [0, 0]

  const keep = (piece: Piece, asks: string, said: Said) => {
    const bytes = bytesOf(said)
    if (bytes > bytesMax / 2) return
    if (newerBytes + bytes > bytesMax / 2) {
      ;[older, olderBytes] = [newer, newerBytes]
      ;[newer, newerBytes] = [new WeakMap(), 0]
    }
    const its = newer.get(piece) ?? new Map<string, Said>()
    newer.set(piece, its)
    its.set(asks, said)
    newerBytes += bytes
  }

  return {
    of({ route, filter, asks }, { tail: { track }, partition }, piece) {
      const { level, isKeyed } = partition
      const known = newer.get(piece)?.get(asks) ?? older.get(piece)?.get(asks)
      // Its stream may have been changed since.
      if (known !== undefined && known.level === level && known.isKeyed === isKeyed) return known.messages
      const messages = route.say(piece, { track, partition }, filter, { reduced: false })
      keep(piece, asks, { messages, level, isKeyed })
      return messages
    },
    keptBytes: () => newerBytes + olderBytes,
  }
}

const SAID_BYTES = 300

function bytesOf({ messages }: Said): number {
  let bytes = SAID_BYTES
  for (const { json } of messages) bytes += SAID_BYTES + json.length
  return bytes
}
