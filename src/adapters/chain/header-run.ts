import { HEADER_BYTES, headerHash, previousOf, rootOf } from './block.ts'
import type { Tip } from './chain.ts'

/** The best chain's headers in memory, 80 bytes each: one run from `firstHeight` to the tip. */
export type HeaderRun = {
  firstHeight(): number
  /** Undefined while the run is empty. */
  tip(): Tip | undefined
  /** Whose hash stands at this height; undefined outside the run. */
  hashAt(height: number): string | undefined
  rootAt(height: number): string | undefined
  /** A copy of up to `count` headers from this height on. */
  slice(fromHeight: number, count: number): Uint8Array
  /** Forgets what is above `forkHeight` and puts these headers there. */
  replaceAbove(forkHeight: number, headers: Uint8Array): void
  /** Begins anew. */
  reset(firstHeight: number): void
}

/** Keeps at least the last `headersKept`; older ones are forgotten in bulk. */
export function openHeaderRun(headersKept = Number.POSITIVE_INFINITY): HeaderRun {
  let first = 0
  let count = 0
  let bytes = new Uint8Array(1024 * HEADER_BYTES)
  // A header names the hash before it, so only the last one's hash is not in the run itself.
  let tipHash = ''

  const header = (height: number) =>
    height >= first && height < first + count && Number.isInteger(height)
      ? bytes.subarray((height - first) * HEADER_BYTES, (height - first + 1) * HEADER_BYTES)
      : undefined

  function append(headers: Uint8Array) {
    const end = count * HEADER_BYTES + headers.length
    if (end > bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * bytes.length))
      larger.set(bytes.subarray(0, count * HEADER_BYTES))
      bytes = larger
    }
    bytes.set(headers, count * HEADER_BYTES)
    count = end / HEADER_BYTES
  }

  function forgetOldest() {
    const surplus = count - headersKept
    // In bulk, so that each header is moved about once.
    if (surplus <= headersKept) return
    bytes.copyWithin(0, surplus * HEADER_BYTES, count * HEADER_BYTES)
    first += surplus
    count -= surplus
  }

  return {
    firstHeight: () => first,
    tip: () => (count === 0 ? undefined : { height: first + count - 1, hash: tipHash }),
    hashAt(height) {
      if (count > 0 && height === first + count - 1) return tipHash
      const next = height >= first ? header(height + 1) : undefined
      return next && previousOf(next)
    },
    rootAt(height) {
      const found = header(height)
      return found && rootOf(found)
    },
    slice(fromHeight, wanted) {
      const from = Math.max(fromHeight, first)
      return bytes.slice((from - first) * HEADER_BYTES, Math.min(from - first + wanted, count) * HEADER_BYTES)
    },
    replaceAbove(forkHeight, headers) {
      if (forkHeight < first - 1 || forkHeight >= first + count)
        throw new Error(`the run holds no header at height ${forkHeight} to build on`)
      count = forkHeight - first + 1
      append(headers)
      const last = header(first + count - 1)
      tipHash = last === undefined ? '' : headerHash(last)
      forgetOldest()
    },
    reset(firstHeight) {
      first = firstHeight
      count = 0
      tipHash = ''
    },
  }
}
