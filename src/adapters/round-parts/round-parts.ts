import type { FileHandle } from 'node:fs/promises'
import type { RoundPart } from '../../contract/round-locations.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { findPart, type Piece } from './find-part.ts'
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
  return {
    async open(part, name, reader) {
      const found = await findPart(db, part, name)
      if (found === undefined) return undefined
      const { isPublic, ways } = found
      if (!isPublic && (reader === 'anybody' || !(await hasSeat(db, part, name, reader.agentKey))))
        return undefined
      for (const pieces of ways) {
        const opened = await openPieces(pieces, content)
        if (opened !== undefined) return { isPublic, ...opened }
      }
      return undefined
    },
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
