import type { FileHandle } from 'node:fs/promises'
import { PART_LIST_BYTES_MAX, writePartList } from '../../contract/part-list.ts'
import type { RoundPart } from '../../contract/round-locations.ts'
import { concatAll } from '../../core/bytes.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { type FoundPart, findPart, type Piece } from './find-part.ts'
import { hasSeat } from './has-seat.ts'

/** What agents fetch of a round. */
export type RoundParts = {
  /**
   * The part as this reader may have it; undefined where there is none, where its bytes are gone, or where it is of a
   * restricted round and the reader has no seat in that. Whoever gets one closes it.
   */
  open(part: RoundPart, name: string, reader: PartReader): Promise<OpenPart | undefined>
  /** Several of one kind, as a list says them; without those that are long, and without what one request is not given. */
  list(part: RoundPart, names: readonly string[], reader: PartReader): Promise<Uint8Array>
  /** Whether this key was ever given a seat here. */
  knows(agentKey: string): Promise<boolean>
}

/** An agent that has proven its key, or anybody. */
export type PartReader = 'anybody' | { readonly agentKey: string }

export type OpenPart = {
  readonly isPublic: boolean
  readonly length: number
  /** Read as it is taken, so that no answer has more than a chunk of it in memory. */
  chunks(): AsyncGenerator<Uint8Array>
  close(): Promise<void>
}

export type RoundPartsDeps = { readonly db: Queryable; readonly content: Pick<ContentStore, 'open'> }

export function openRoundParts({ db, content }: RoundPartsDeps): RoundParts {
  const shared = openShared((part, name) => find(part, name, { db, content }))
  const isFor = async ({ isPublic }: Found, part: RoundPart, name: string, reader: PartReader) =>
    isPublic || (reader !== 'anybody' && (await hasSeat(db, part, name, reader.agentKey)))
  return {
    async list(part, names, reader) {
      let left = PART_LIST_BYTES_MAX
      const parts: (Uint8Array | undefined)[] = []
      for (const name of names) {
        const found = await shared(part, name)
        const bytes =
          found !== undefined && (await isFor(found, part, name, reader)) ? found.whole : undefined
        const fits = bytes !== undefined && bytes.length <= left
        if (fits) left -= bytes.length
        parts.push(fits ? bytes : undefined)
      }
      return writePartList(parts)
    },
    async knows(agentKey) {
      const { rowCount } = await db.query({
        name: 'round-seat-any',
        text: 'select from round_seats where agent_key = $1 limit 1',
        values: [bytea(agentKey)],
      })
      return rowCount === 1
    },
    async open(part, name, reader) {
      const found = await shared(part, name)
      if (found === undefined || !(await isFor(found, part, name, reader))) return undefined
      const { isPublic } = found
      if (found.whole === undefined) return openWays(found, content)
      const { whole } = found
      return { isPublic, length: whole.length, chunks: () => one(whole), close: async () => {} }
    },
  }
}

type Found = FoundPart & {
  /** All of it, where it is short. */
  readonly whole: Uint8Array | undefined
}

async function find(
  part: RoundPart,
  name: string,
  { db, content }: RoundPartsDeps,
): Promise<Found | undefined> {
  const found = await findPart(db, part, name)
  if (found === undefined) return undefined
  const opened = await openWays(found, content)
  if (opened === undefined) return undefined
  try {
    if (opened.length > SHARED_PART_BYTES_MAX) return { ...found, whole: undefined }
    const chunks: Uint8Array[] = []
    for await (const chunk of opened.chunks()) chunks.push(chunk)
    return { ...found, whole: concatAll(chunks) }
  } finally {
    await opened.close()
  }
}

async function openWays(
  { isPublic, ways }: FoundPart,
  content: RoundPartsDeps['content'],
): Promise<OpenPart | undefined> {
  for (const pieces of ways) {
    const opened = await openPieces(pieces, content)
    if (opened !== undefined) return { isPublic, ...opened }
  }
  return undefined
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const SHARED_MS = 5_000
const SHARED_PART_BYTES_MAX = 512 * 1024
const SHARED_BYTES_MAX = 32 * 1024 * 1024
/** What nobody knows the length of yet, and the place that an entry takes, count as much. */
const ENTRY_BYTES = 4 * 1024

type Shared = { readonly found: Promise<Found | undefined>; readonly untilMs: number; bytes: number }

/**
 * All agents of a stage fetch the same within a moment, a part for each packet of the round: it is looked for once. What is
 * not there is looked for each time.
 */
function openShared(look: (part: RoundPart, name: string) => Promise<Found | undefined>): typeof look {
  const known = new Map<string, Shared>()
  let bytes = 0
  const forget = (key: string, entry: Shared | undefined) => {
    if (entry === undefined || known.get(key) !== entry) return
    known.delete(key)
    bytes -= entry.bytes
  }
  const makeRoom = () => {
    for (const [key, entry] of known) {
      if (bytes <= SHARED_BYTES_MAX && entry.untilMs > performance.now()) return
      forget(key, entry)
    }
  }
  return (part, name) => {
    const key = `${part} ${name}`
    const before = known.get(key)
    if (before !== undefined && before.untilMs > performance.now()) return before.found
    forget(key, before)
    const found = look(part, name)
    const entry: Shared = { found, untilMs: performance.now() + SHARED_MS, bytes: ENTRY_BYTES }
    known.set(key, entry)
    bytes += entry.bytes
    found.then(
      it => {
        if (it?.whole === undefined) return forget(key, entry)
        if (known.get(key) !== entry) return
        entry.bytes += it.whole.length
        bytes += it.whole.length
        makeRoom()
      },
      () => forget(key, entry),
    )
    makeRoom()
    return found
  }
}

const CHUNK_BYTES = 256 * 1024

type Span = { readonly file: FileHandle; readonly at: number; readonly length: number }

/** Undefined where one of the objects is not here any more. */
async function openPieces(
  pieces: readonly Piece[],
  content: RoundPartsDeps['content'],
): Promise<Omit<OpenPart, 'isPublic'> | undefined> {
  const files = new Map<string, { readonly file: FileHandle; readonly length: number }>()
  const close = async () => {
    for (const { file } of files.values()) await file.close()
  }
  const spanOf = async (piece: Piece): Promise<Uint8Array | Span | undefined> => {
    if (piece.kind === 'bytes') return piece.bytes
    const object = files.get(piece.sha256) ?? (await openObject(piece.sha256, content))
    if (object === undefined) return undefined
    files.set(piece.sha256, object)
    const { at, length } = piece.kind === 'slice' ? piece : { at: 0, length: object.length }
    return { file: object.file, at, length }
  }
  const spans: (Uint8Array | Span)[] = []
  try {
    for (const piece of pieces) {
      const span = await spanOf(piece)
      if (span !== undefined) spans.push(span)
    }
  } finally {
    if (spans.length < pieces.length) await close()
  }
  if (spans.length < pieces.length) return undefined
  return {
    length: spans.reduce((bytes, span) => bytes + span.length, 0),
    chunks: () => chunksOf(spans),
    close,
  }
}

async function openObject(sha256: string, content: RoundPartsDeps['content']) {
  const opened = await content.open(sha256, 'node')
  return opened.kind === 'open' ? opened.object : undefined
}

async function* chunksOf(spans: readonly (Uint8Array | Span)[]): AsyncGenerator<Uint8Array> {
  for (const span of spans)
    if (span instanceof Uint8Array) yield span
    else yield* read(span)
}

async function* read({ file, at, length }: Span): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - done))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at + done)
    if (bytesRead === 0) throw new Error(`a stored file ends before byte ${at + length}, which a round names`)
    done += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
