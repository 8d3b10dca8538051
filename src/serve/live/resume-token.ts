import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { beginning, hasLines, type Place, type Track, trackNumber, trackOf } from '../../core/live/track.ts'

/** Where a reader stands: on each track that it follows, what comes next. */
export type Positions = {
  /** Partitions up to this one were known when it was written; those behind it are new to its reader from their start. */
  readonly partitionsUpTo: number
  readonly places: ReadonlyMap<number, Place>
}

/** What a position is written with, so that its reader learns nothing from it, and cannot make one. */
export type SealedPositions = {
  seal(position: Uint8Array): Uint8Array
  /** Undefined where it was not sealed with the same key. */
  unseal(sealed: Uint8Array): Uint8Array | undefined
}

/** In bytes of base64url; what a reader can follow at once fits in. */
export const RESUME_TOKEN_CHARS_MAX = 12 * 1024

const VERSION = 1

/** Written over and over as one track after the other moves on. */
export type TokenWriter = {
  move(track: number, place: Place): void
  token(): string
}

export function openTokenWriter(
  { partitionsUpTo, places }: Positions,
  { seal }: Pick<SealedPositions, 'seal'>,
): TokenWriter {
  const tracks = [...places.keys()].sort((a, b) => a - b)
  const spots = new Map(tracks.map((track, i) => [track, i]))
  const at = tracks.map(track => places.get(track) ?? beginning)
  // Written where it is told: most places on the way are not.
  const parts = tracks.map((): Buffer | undefined => undefined)
  const partOf = (track: number, spot: number) => {
    const place = at[spot] ?? beginning
    parts[spot] ??= Buffer.from([
      ...varint(track - (tracks[spot - 1] ?? 0)),
      ...varint(place.at),
      ...(withLine(track) ? varint(place.line) : []),
    ])
    return parts[spot]
  }
  const head = Buffer.from([VERSION, ...varint(partitionsUpTo), ...varint(tracks.length)])
  let written: string | undefined
  return {
    move(track, place) {
      const spot = spots.get(track)
      if (spot === undefined) throw new Error(`track ${track} is not in this token`)
      at[spot] = place
      parts[spot] = undefined
      written = undefined
    },
    token() {
      written ??= Buffer.from(seal(Buffer.concat([head, ...tracks.map(partOf)]))).toString('base64url')
      return written
    },
  }
}

/** Strict: what was not written above is no token. */
export function readResumeToken(
  text: string,
  { unseal }: Pick<SealedPositions, 'unseal'>,
): Outcome<Positions> {
  if (text.length > RESUME_TOKEN_CHARS_MAX)
    return unreadable(`it has more than ${RESUME_TOKEN_CHARS_MAX} characters`)
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return unreadable('it is not base64url')
  const sealed = Buffer.from(text, 'base64url')
  if (sealed.toString('base64url') !== text) return unreadable('it is not base64url as it was written')
  const bytes = unseal(sealed)
  if (bytes === undefined) return unreadable('no node of this database has written it')
  if (bytes[0] !== VERSION) return unreadable('it has another version')
  const next = reader(bytes, 1)
  const partitionsUpTo = next()
  const count = next()
  if (partitionsUpTo === undefined || count === undefined) return cut
  const places = new Map<number, Place>()
  let track = 0
  for (let i = 0; i < count; i++) {
    const step = next()
    if (step === undefined) return cut
    if (step === 0 && i > 0) return unreadable('it says two things of one track')
    track += step
    if (!Number.isSafeInteger(track) || trackOf(track) === undefined) return unreadable('it names no track')
    const at = next()
    const line = withLine(track) ? next() : 0
    if (at === undefined || line === undefined) return cut
    places.set(track, { at, line })
  }
  return next.isAtEnd() ? accepted({ partitionsUpTo, places }) : unreadable('it goes on behind its end')
}

const cut = unreadable('it is cut off, or a number in it is not written as it should be')

function withLine(track: number): boolean {
  const known = trackOf(track)
  return known !== undefined && hasLines(known.stage)
}

function unreadable(why: string): Outcome<never> {
  return refused(
    'query-invalid',
    `the position is not one that was given here: ${why}; take the id of the last message, or say earliest or latest`,
  )
}

/** Seven bits a byte, lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return bytes
}

/** Each call is the next number; undefined where there is none, or it is longer than it has to be. */
function reader(bytes: Uint8Array, start: number) {
  let at = start
  const next = (): number | undefined => {
    let [value, scale] = [0, 1]
    for (; ; scale *= 0x80) {
      const byte = bytes[at++]
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) return undefined
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return (byte === 0 && scale > 1) || !Number.isSafeInteger(value) ? undefined : value
    }
  }
  return Object.assign(next, { isAtEnd: () => at === bytes.length })
}

/** The positions of these tracks alone. */
export function positionsOf(
  partitionsUpTo: number,
  tracks: Iterable<Track>,
  placeOf: (track: number) => Place,
): Positions {
  const places = new Map<number, Place>()
  for (const track of tracks) {
    const number = trackNumber(track)
    places.set(number, placeOf(number))
  }
  return { partitionsUpTo, places }
}
