import type { FileHandle } from 'node:fs/promises'
import { PART_LIST_BYTES_MAX, writePartList } from '../../contract/part-list.ts'
import type { RoundPart } from '../../contract/round-locations.ts'
import { concatAll } from '../../core/bytes.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { type FoundPart, findParts, type Piece } from './find-parts.ts'
import { seatedParts } from './seated-parts.ts'

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
  const shared = openShared((part, names) => find(part, names, { db, content }))
  /** Those that this reader may have, by name. */
  const partsFor = async (part: RoundPart, names: readonly string[], reader: PartReader) => {
    const there = new Map<string, Found>()
    for (const [name, looked] of shared(part, names)) {
      const found = await looked
      if (found !== undefined) there.set(name, found)
    }
    const closed = [...there].filter(([, { isPublic }]) => !isPublic).map(([name]) => name)
    if (closed.length === 0) return there
    const seated =
      reader === 'anybody' ? new Set<string>() : await seatedParts(db, part, closed, reader.agentKey)
    return new Map([...there].filter(([name, { isPublic }]) => isPublic || seated.has(name)))
  }
  return {
    async list(part, names, reader) {
      let left = PART_LIST_BYTES_MAX
      const parts: (Uint8Array | undefined)[] = []
      for (let at = 0; at < names.length; at += LISTED_AT_ONCE) {
        const some = names.slice(at, at + LISTED_AT_ONCE)
        const found = await partsFor(part, some, reader)
        for (const name of some) {
          const bytes = found.get(name)?.whole
          const fits = bytes !== undefined && bytes.length <= left
          if (fits) left -= bytes.length
          parts.push(fits ? bytes : undefined)
        }
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
      const found = (await partsFor(part, [name], reader)).get(name)
      if (found === undefined) return undefined
      const { isPublic, whole } = found
      if (whole !== undefined)
        return { isPublic, length: whole.length, chunks: () => one(whole), close: async () => {} }
      const objects = openObjects(content)
      const opened = await openWays(found, objects)
      if (opened === undefined) await objects.close()
      return opened && { isPublic, ...opened, close: objects.close }
    },
  }
}

/** Parts of a list that are looked for together. */
const LISTED_AT_ONCE = 16

type Found = FoundPart & {
  /** All of it, where it is short, and there was room for it beside the others. */
  readonly whole: Uint8Array | undefined
}

/**
 * An object that several of them are pieces of, as the outcomes of one answer are, is opened once. One look reads no more
 * than a list has room for.
 */
async function find(
  part: RoundPart,
  names: readonly string[],
  { db, content }: RoundPartsDeps,
): Promise<ReadonlyMap<string, Found>> {
  const there = new Map<string, Found>()
  const objects = openObjects(content)
  let left = PART_LIST_BYTES_MAX
  try {
    const parts = await findParts(db, part, names)
    for (const name of names) {
      const found = parts.get(name)
      if (found === undefined) continue
      const opened = await openWays(found, objects)
      if (opened === undefined) continue
      const isShort = opened.length <= Math.min(SHARED_PART_BYTES_MAX, left)
      if (isShort) left -= opened.length
      there.set(name, { ...found, whole: isShort ? await readWhole(opened) : undefined })
    }
  } finally {
    await objects.close()
  }
  return there
}

async function readWhole({ chunks }: Ways): Promise<Uint8Array> {
  const read: Uint8Array[] = []
  for await (const chunk of chunks()) read.push(chunk)
  return concatAll(read)
}

type Ways = Pick<OpenPart, 'length' | 'chunks'>

/** Undefined where of each way one of the objects is not here any more. */
async function openWays({ ways }: FoundPart, objects: Objects): Promise<Ways | undefined> {
  for (const pieces of ways) {
    const opened = await openPieces(pieces, objects)
    if (opened !== undefined) return opened
  }
  return undefined
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const SHARED_MS = 5_000
/** Of a packet of some thousand events. */
const SHARED_PART_BYTES_MAX = 2 * 1024 * 1024
const SHARED_BYTES_MAX = 64 * 1024 * 1024
/** What nobody knows the length of yet, and the place that an entry takes, count as much. */
const ENTRY_BYTES = 4 * 1024

type Shared = { readonly found: Promise<Found | undefined>; readonly untilMs: number; bytes: number }
type Look = (part: RoundPart, names: readonly string[]) => Promise<ReadonlyMap<string, Found>>

/**
 * All agents of a stage fetch the same within a moment, a part for each packet of the round: it is looked for once. What is
 * not there is looked for each time.
 */
function openShared(
  look: Look,
): (part: RoundPart, names: readonly string[]) => ReadonlyMap<string, Promise<Found | undefined>> {
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
  const share = (key: string, found: Promise<Found | undefined>) => {
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
  }
  return (part, names) => {
    const found = new Map<string, Promise<Found | undefined>>()
    const unknown: string[] = []
    for (const name of new Set(names)) {
      const key = `${part} ${name}`
      const entry = known.get(key)
      if (entry !== undefined && entry.untilMs > performance.now()) found.set(name, entry.found)
      else {
        forget(key, entry)
        unknown.push(name)
      }
    }
    if (unknown.length === 0) return found
    const looked = look(part, unknown)
    for (const name of unknown) {
      const it = looked.then(there => there.get(name))
      found.set(name, it)
      share(`${part} ${name}`, it)
    }
    return found
  }
}

const CHUNK_BYTES = 256 * 1024

type Span = { readonly file: FileHandle; readonly at: number; readonly length: number }

type OpenFile = { readonly file: FileHandle; readonly length: number }

/** Objects that are read from, each opened once; undefined where one is not here any more. */
type Objects = { get(sha256: string): Promise<OpenFile | undefined>; close(): Promise<void> }

function openObjects(content: RoundPartsDeps['content']): Objects {
  const files = new Map<string, OpenFile>()
  return {
    async get(sha256) {
      const known = files.get(sha256)
      if (known !== undefined) return known
      const opened = await content.open(sha256, 'node')
      if (opened.kind !== 'open') return undefined
      files.set(sha256, opened.object)
      return opened.object
    },
    async close() {
      for (const { file } of files.values()) await file.close()
    },
  }
}

/** Undefined where one of the objects is not here any more. */
async function openPieces(pieces: readonly Piece[], objects: Objects): Promise<Ways | undefined> {
  const spans: (Uint8Array | Span)[] = []
  for (const piece of pieces) {
    const span = await spanOf(piece, objects)
    if (span === undefined) return undefined
    spans.push(span)
  }
  const length = spans.reduce((bytes, span) => bytes + span.length, 0)
  return { length, chunks: () => chunksOf(spans) }
}

async function spanOf(piece: Piece, objects: Objects): Promise<Uint8Array | Span | undefined> {
  if (piece.kind === 'bytes') return piece.bytes
  const object = await objects.get(piece.sha256)
  if (object === undefined) return undefined
  const { at, length } = piece.kind === 'slice' ? piece : { at: 0, length: object.length }
  return { file: object.file, at, length }
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
