import type { Piece } from './piece.ts'

/** Of the sequence: what begins in one of them is told together. */
const ROW_EVENTS = 250
/** Of one message; nor does a reader put more in one piece. */
const MESSAGE_EVENTS_MAX = 1_000

/**
 * The same, with neighbours of what was received in one where they begin in the same row of the sequence: each message is
 * sealed with a place of its own, and many small requests would be many. Rows, so that readers who began elsewhere come to
 * be told the same.
 */
export function together(pieces: readonly Piece[]): readonly Piece[] {
  const rows: Piece[][] = []
  for (const piece of pieces) {
    const row = rows.at(-1)
    if (row?.[0] !== undefined && isOfOneMessage(row[0], piece)) row.push(piece)
    else rows.push([piece])
  }
  return rows.map(inOne)
}

function isOfOneMessage(first: Piece, piece: Piece): boolean {
  return (
    receivedIn(first) !== undefined &&
    receivedIn(piece) !== undefined &&
    rowOf(first) === rowOf(piece) &&
    piece.to.at - first.from.at <= MESSAGE_EVENTS_MAX
  )
}

function inOne(row: readonly Piece[]): Piece {
  const [first, last] = [row[0], row.at(-1)]
  if (first === undefined || last === undefined) throw new Error('there is no piece in this row')
  if (first === last) return first
  const bytes = row.reduce((sum, piece) => sum + piece.bytes, 0)
  const said = {
    kind: 'events',
    events: row.flatMap(piece => receivedIn(piece) ?? []),
    packet: null,
  } as const
  return { from: first.from, to: last.to, said, bytes, sinceMs: first.sinceMs }
}

function rowOf({ from }: Piece): number {
  return Math.floor(from.at / ROW_EVENTS)
}

function receivedIn({ said }: Piece) {
  return said.kind === 'events' && said.packet === null ? said.events : undefined
}
