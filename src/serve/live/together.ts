import type { Piece } from './piece.ts'

/** Of one message; nor does a reader put more in one piece. */
const MESSAGE_EVENTS_MAX = 1_000

/**
 * The same, with neighbours of what was received in one, as long as that takes no more than this to keep. Each message that
 * somebody behind is told is sealed with a place of its own, and what many small requests have brought would be many.
 */
export function together(pieces: readonly Piece[], bytesMax: number): readonly Piece[] {
  const joined: Piece[] = []
  for (const piece of pieces) {
    const before = joined.at(-1)
    const both = before && bothOf(before, piece, bytesMax)
    if (both === undefined) joined.push(piece)
    else joined[joined.length - 1] = both
  }
  return joined
}

function bothOf(first: Piece, second: Piece, bytesMax: number): Piece | undefined {
  const [before, after] = [receivedIn(first), receivedIn(second)]
  if (before === undefined || after === undefined) return undefined
  const bytes = first.bytes + second.bytes
  if (before.length + after.length > MESSAGE_EVENTS_MAX || bytes > bytesMax) return undefined
  const said = { kind: 'events', events: [...before, ...after], packet: null } as const
  return { from: first.from, to: second.to, said, bytes, sinceMs: first.sinceMs }
}

function receivedIn({ said }: Piece) {
  return said.kind === 'events' && said.packet === null ? said.events : undefined
}
