import type { ReceivedItem } from '../arrived.ts'

/**
 * Makes items of what stands at the front of a window over the body. What it does not use, it sees again, in a longer
 * window; and it may keep nothing of the window's bytes, which are only lent.
 */
export type TakeItems = (window: Uint8Array, rest: Rest) => Taken

/** `grows`: there is more to come. `full`: also, but the window takes no more, so something must be used. `ended`: all must be. */
export type Rest = 'grows' | 'full' | 'ended'

export type Taken = {
  readonly items: readonly ReceivedItem[]
  readonly used: number
  /** The last line goes on, and the rest of it is not wanted. */
  readonly skipsLine?: boolean
}

/** One body's. */
export type WindowReader = {
  push(bytes: Uint8Array): Generator<Taken>
  end(): Generator<Taken>
}

export const LF = 0x0a
const BOM = [0xef, 0xbb, 0xbf]

/** Less than this is not looked at before the body ends: senders of small pieces cost no more than others. */
const WINDOW_BYTES = 64 * 1024

/**
 * Turns a body that comes in pieces into items. Memory is bounded by the window, one byte more than a record and its
 * newline may have, and where the pieces were cut makes no difference.
 */
export function windowReader(take: TakeItems, recordBytesMax: number): WindowReader {
  const full = recordBytesMax + 1
  let window = new Uint8Array(0)
  let filled = 0
  let lookAt = Math.min(full, WINDOW_BYTES)
  let isStart = true
  let isSkipping = false

  function* look(rest: Rest): Generator<Taken> {
    const taken = take(window.subarray(0, filled), rest)
    window.copyWithin(0, taken.used, filled)
    filled -= taken.used
    isSkipping = taken.skipsLine ?? false
    // Twice as much as was in vain: a long record is not read over again for each piece of it.
    lookAt = Math.min(full, Math.max(WINDOW_BYTES, 2 * filled))
    yield taken
  }

  function append(bytes: Uint8Array) {
    if (filled + bytes.length > window.length) {
      const larger = new Uint8Array(Math.min(full, Math.max(2 * window.length, filled + bytes.length)))
      larger.set(window.subarray(0, filled))
      window = larger
    }
    window.set(bytes, filled)
    filled += bytes.length
  }

  function dropMark() {
    if (isStart && startsWithMark(window.subarray(0, filled))) {
      window.copyWithin(0, BOM.length, filled)
      filled -= BOM.length
    }
    isStart = false
  }

  return {
    *push(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (isSkipping) {
          const end = bytes.indexOf(LF, at)
          if (end < 0) return
          isSkipping = false
          at = end + 1
          continue
        }
        const piece = bytes.subarray(at, at + lookAt - filled)
        append(piece)
        at += piece.length
        if (filled < lookAt) continue
        dropMark()
        if (filled >= lookAt) yield* look(filled === full ? 'full' : 'grows')
      }
    },
    *end() {
      dropMark()
      yield* look('ended')
    },
  }
}

/** The same for a body that is there: a short one needs no window. */
export function* takeWhole(take: TakeItems, bytes: Uint8Array, recordBytesMax: number): Generator<Taken> {
  if (bytes.length <= Math.min(WINDOW_BYTES, recordBytesMax)) {
    yield take(startsWithMark(bytes) ? bytes.subarray(BOM.length) : bytes, 'ended')
    return
  }
  const reader = windowReader(take, recordBytesMax)
  yield* reader.push(bytes)
  yield* reader.end()
}

function startsWithMark(bytes: Uint8Array): boolean {
  return BOM.every((byte, i) => bytes[i] === byte)
}
