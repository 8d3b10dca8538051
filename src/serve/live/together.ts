import type { Piece } from './piece.ts'

/** Of one message; nor does a reader put more in one piece. */
const MESSAGE_EVENTS_MAX = 1_000

/**
 * The same, with neighbours of what was received in one, as long as they take no more than this to keep. A message is written, sealed with its place and sent for each that is
 * behind, and what many small requests brought would be many messages.
 */
export function together(pieces: readonly Piece[], bytesMax: number): readonly Piece[] {
  const joined: Piece[] = []
  let run: Piece[] = []
  let [count, bytes] = [0, 0]
  const end = () => {
    if (run.length > 0) joined.push(oneOf(run))
    run = []
    count = 0
    bytes = 0
  }
  for (const piece of pieces) {
    const events = receivedIn(piece)
    if (events === undefined) {
      end()
      joined.push(piece)
      continue
    }
    if (count + events.length > MESSAGE_EVENTS_MAX || bytes + piece.bytes > bytesMax) end()
    run.push(piece)
    count += events.length
    bytes += piece.bytes
  }
  end()
  return joined
}

function receivedIn({ said }: Piece) {
  return said.kind === 'events' && said.packet === null ? said.events : undefined
}

function oneOf(run: readonly Piece[]): Piece {
  const [first, last] = [run[0], run.at(-1)]
  if (first === undefined || last === undefined) throw new RangeError('a run has at least one piece')
  if (first === last) return first
  return {
    ...{ from: first.from, to: last.to, sinceMs: first.sinceMs },
    said: { kind: 'events', events: run.flatMap(piece => receivedIn(piece) ?? []), packet: null },
    bytes: run.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
