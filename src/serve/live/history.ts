import { type Place, trackNumber } from '../../core/live/track.ts'
import type { Piece, ReadPieces } from './piece.ts'
import type { HubBounds } from './ports.ts'
import { openSweep, type Sweep } from './sweep.ts'
import { TAKEN_BYTES_MAX, type Tail } from './tail.ts'

export type HistoryDeps = {
  readonly readPieces: ReadPieces
  readonly bounds: Pick<HubBounds, 'historyReadersMax' | 'historyKeptBytes' | 'historyKeptMs'>
  now(): number
}

/**
 * What is behind the ends of tracks. Those who fall behind do so together, so what one of them has read of what was received
 * is kept for the others for a moment: else each would read all of it for itself, and nobody would ever catch up. A packet can
 * fall back, or be certified after all: whether it is there is looked at anew for each.
 */
export type History = {
  /** What comes next below the end of a tail, and as much behind that as is at hand. */
  from(tail: Tail, place: Place, isWanted?: () => boolean): Promise<readonly Piece[]>
  /** Lets go what was kept long enough. */
  forget(): void
  /** What is kept takes, about. */
  keptBytes(): number
}

export function openHistory({ readPieces, bounds, now }: HistoryDeps): History {
  const slots = openSlots(bounds.historyReadersMax)
  const kept = new Map<string, { readonly piece: Piece; readonly readMs: number }>()
  const sweeps = new Map<number, Sweep>()
  let bytes = 0

  const keep = (name: string, piece: Piece) => {
    if (kept.has(name)) return
    kept.set(name, { piece, readMs: now() })
    bytes += piece.bytes
  }

  /** Lines may be taken away: what was read is true for a moment. */
  const forget = () => {
    for (const [name, { piece, readMs }] of kept) {
      if (bytes <= bounds.historyKeptBytes && now() - readMs < bounds.historyKeptMs) return
      kept.delete(name)
      bytes -= piece.bytes
    }
  }

  const keptFrom = (tail: Tail, place: Place): Piece[] => {
    const pieces: Piece[] = []
    let [next, taken] = [kept.get(nameOf(tail, place)), 0]
    while (next !== undefined && taken < TAKEN_BYTES_MAX) {
      pieces.push(next.piece)
      taken += next.piece.bytes
      next = kept.get(nameOf(tail, next.piece.to))
    }
    return pieces
  }

  const read = async (tail: Tail, from: Place): Promise<readonly Piece[]> => {
    const { track, withEvents } = tail
    const until = tail.end()
    const [found] = await slots(() => readPieces([{ track, from, until, withEvents }]))
    if (found !== undefined && found.pieces.length > 0) return found.pieces
    // Below the end of a tail there is always something, or there was.
    const said = { kind: 'gap', reason: 'taken-back', packetNo: null } as const
    return [{ from, to: until, said, bytes: GAP_BYTES, sinceMs: null }]
  }

  const readToKeep = async (tail: Tail, from: Place) => {
    const pieces = await read(tail, from)
    for (const piece of pieces) keep(nameOf(tail, piece.from), piece)
    return pieces
  }

  const sweepOf = ({ track }: Tail) => {
    const number = trackNumber(track)
    const sweep = sweeps.get(number) ?? openSweep({ read: readToKeep, now })
    sweeps.set(number, sweep)
    return sweep
  }

  return {
    async from(tail, place, isWanted = () => true) {
      if (tail.track.stage !== 'received') return await read(tail, place)
      forget()
      const atHand = keptFrom(tail, place)
      return atHand.length > 0 ? atHand : await sweepOf(tail).from({ tail, place, isWanted })
    },
    forget() {
      forget()
      for (const [number, sweep] of sweeps) if (sweep.isIdle()) sweeps.delete(number)
    },
    keptBytes: () => bytes,
  }
}

const GAP_BYTES = 300

function nameOf({ track }: Tail, { at, line }: Place): string {
  return `${trackNumber(track)} ${at} ${line}`
}

/** So many at a time; the others wait their turn. */
function openSlots(max: number) {
  const queue: (() => void)[] = []
  let taken = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (taken >= max) await new Promise<void>(resolve => queue.push(resolve))
    else taken++
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) taken--
      else next()
    }
  }
}
