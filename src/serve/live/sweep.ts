import { beginning, comparePlaces, type Place } from '../../core/live/track.ts'
import type { Piece } from './piece.ts'
import { cutAt, isWithin } from './rest-of-pieces.ts'
import type { Tail } from './tail.ts'

export type SweepDeps = {
  /** What comes next below the end of a tail, read to be kept. */
  read(tail: Tail, place: Place): Promise<readonly Piece[]>
  now(): number
}

type Asked = {
  readonly tail: Tail
  readonly place: Place
  /** False once whoever asked has gone. */
  isWanted(): boolean
}
type Waiting = Asked & {
  resolve(pieces: readonly Piece[]): void
  reject(error: unknown): void
}

/**
 * Those who wait for history of what one partition received stand at different places, and reading for each by itself is what keeps them
 * behind. So it is read upwards, from whoever is furthest behind: those further on wait until that comes to them, and from
 * there on all go together. After a while of that it goes on with whoever waits further up, and then from the bottom
 * again, so that one who reads all there ever was holds nobody up.
 */
export type Sweep = {
  from(asked: Asked): Promise<readonly Piece[]>
  isIdle(): boolean
}

export function openSweep({ read, now }: SweepDeps): Sweep {
  const waiting = new Set<Waiting>()
  let swept = beginning
  let sinceMs = Number.NEGATIVE_INFINITY
  let isUnderWay = false

  const next = (): Waiting | undefined => {
    forgetUnwanted()
    const goesOn = Math.abs(now() - sinceMs) < TOGETHER_MS_MAX
    const ahead = lowestOf(waiting, place => comparePlaces(place, swept) >= (goesOn ? 0 : 1))
    if (ahead === undefined || !goesOn) sinceMs = now()
    return ahead ?? lowestOf(waiting, () => true)
  }

  const readFor = async ({ tail, place }: Waiting) => {
    try {
      const pieces = await read(tail, place)
      for (const each of waiting) {
        const rest = each.place === place ? pieces : restFrom(pieces, each.place)
        if (rest.length === 0) continue
        waiting.delete(each)
        each.resolve(rest)
      }
      return pieces.at(-1)?.to ?? place
    } catch (error) {
      for (const each of waiting)
        if (comparePlaces(each.place, place) === 0) {
          waiting.delete(each)
          each.reject(error)
        }
      return place
    }
  }

  const forgetUnwanted = () => {
    for (const each of waiting)
      if (!each.isWanted()) {
        waiting.delete(each)
        each.resolve([])
      }
  }

  const sweep = async () => {
    isUnderWay = true
    for (let each = next(); each !== undefined; each = next()) {
      swept = await readFor(each)
      // Whoever goes on at once waits again by then.
      await new Promise(setImmediate)
    }
    isUnderWay = false
  }

  return {
    from: asked =>
      new Promise((resolve, reject) => {
        waiting.add({ ...asked, resolve, reject })
        if (!isUnderWay) void sweep()
      }),
    isIdle: () => !isUnderWay,
  }
}

const TOGETHER_MS_MAX = 2_000

function lowestOf(waiting: ReadonlySet<Waiting>, isIn: (place: Place) => boolean): Waiting | undefined {
  let lowest: Waiting | undefined
  for (const each of waiting)
    if (isIn(each.place) && (lowest === undefined || comparePlaces(each.place, lowest.place) < 0))
      lowest = each
  return lowest
}

/** What of these lies behind a place, which may be within one of them. */
function restFrom(pieces: readonly Piece[], place: Place): readonly Piece[] {
  const first = pieces.findIndex(piece => isWithin(piece, place))
  const piece = pieces[first]
  return piece === undefined ? [] : [cutAt(piece, place), ...pieces.slice(first + 1)]
}
