import type { FileHandle } from 'node:fs/promises'
import type { RoundPart } from '../../contract/round-locations.ts'
import { concatAll } from '../../core/bytes.ts'
import type { Queryable } from '../postgres/sql.ts'
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
  return {
    async open(part, name, reader) {
      const found = await shared(part, name)
      if (found === undefined) return undefined
      const { isPublic } = found
      if (!isPublic && (reader === 'anybody' || !(await hasSeat(db, part, name, reader.agentKey))))
        return undefined
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
/** Of the largest: 32 MiB at most. */
const SHARED_PARTS_MAX = 64

/** All agents of a stage fetch the same within a moment: it is looked for once. What is not there is looked for each time. */
function openShared(look: (part: RoundPart, name: string) => Promise<Found | undefined>): typeof look {
  const known = new Map<string, { readonly found: Promise<Found | undefined>; readonly untilMs: number }>()
  return (part, name) => {
    const key = `${part} ${name}`
    const before = known.get(key)
    if (before !== undefined && before.untilMs > performance.now()) return before.found
    known.delete(key)
    const entry = { found: look(part, name), untilMs: performance.now() + SHARED_MS }
    known.set(key, entry)
    const forget = () => {
      if (known.get(key) === entry) known.delete(key)
    }
    entry.found.then(found => {
      if (found?.whole === undefined) forget()
    }, forget)
    const [oldest] = known.keys()
    if (known.size > SHARED_PARTS_MAX && oldest !== undefined) known.delete(oldest)
    return entry.found
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
