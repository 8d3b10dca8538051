import type { FileHandle } from 'node:fs/promises'
import {
  EXPORT_HEADERS_MAX,
  type ExportRecord,
  type OpeningRecord,
  readRecord,
} from '../../contract/audit/records.ts'
import {
  advance,
  atBeginning,
  type Cursor,
  type ExportSource,
  exportRecords,
} from '../../contract/audit/sequence.ts'
import { fromHex, toHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { openNodeSource } from '../export/node-source.ts'
import { type FilePlace, firstPlace, openRecords, readFrames, readRecords } from '../export/record-file.ts'

/** Where a log is looked at. */
export type Whence = { readonly file: string } | { readonly node: string; readonly streamId: string | null }

/** How far it was read. */
export type Place = {
  readonly cursor: Cursor
  /** Of a file: behind the record. The digest there names all that came before. */
  readonly file: PlaceInFile | null
}

export type PlaceInFile = { readonly at: number; readonly chain: string }

/** Where somebody goes on: from `place`, behind which the records up to `reached` were looked at already. */
export type Resumed = { readonly place: Place; readonly reached: PlaceInFile | null }

export type PlacedRecord = {
  readonly record: ExportRecord
  /** Behind the record; undefined where it was read once more, for what it says is kept in no state. */
  readonly place: Place | undefined
}

export class AnotherExport extends Error {}

/** All records, or those from a place on, behind the block headers. */
export function recordsFrom(whence: Whence, from: Resumed | undefined): AsyncGenerator<PlacedRecord> {
  return 'file' in whence ? recordsOfFile(whence.file, from) : recordsOfNode(whence, from?.place)
}

async function* recordsOfNode(
  { node, streamId }: Extract<Whence, { node: string }>,
  from: Place | undefined,
): AsyncGenerator<PlacedRecord> {
  const source = openNodeSource(node)
  let cursor = from?.cursor ?? atBeginning
  if (cursor.opening !== null) yield* headersAgain(source, cursor.opening)
  for await (const record of exportRecords(source, streamId, cursor)) {
    cursor = advance(cursor, record)
    yield { record, place: { cursor, file: null } }
  }
}

async function* headersAgain(source: ExportSource, { headers }: OpeningRecord): AsyncGenerator<PlacedRecord> {
  if (headers === null) return
  for (let height = headers.first; height <= headers.tip; ) {
    const bytes = await source.headers(height, Math.min(EXPORT_HEADERS_MAX, headers.tip + 1 - height))
    if (bytes.length === 0) return
    yield { record: { kind: 'headers', firstHeight: height, headers: bytes }, place: undefined }
    height += bytes.length / 80
  }
}

async function* recordsOfFile(path: string, from: Resumed | undefined): AsyncGenerator<PlacedRecord> {
  const file = orThrow(await openRecords(path))
  try {
    if (from !== undefined) yield* knownOf(file, path, from.reached)
    let cursor = from?.place.cursor ?? atBeginning
    for await (const read of readRecords(file, placeOf(from?.place.file ?? null))) {
      const { record, place } = orThrow(read)
      cursor = advance(cursor, record)
      yield { record, place: { cursor, file: { at: place.at, chain: toHex(place.chain) } } }
    }
  } finally {
    await file.close()
  }
}

/** That the file begins with what was looked at, by its digests; and its block headers again. */
async function* knownOf(
  file: FileHandle,
  path: string,
  reached: PlaceInFile | null,
): AsyncGenerator<PlacedRecord> {
  let isAhead = true
  for await (const read of readFrames(file)) {
    const { body, place } = orThrow(read)
    const record: ExportRecord | undefined = isAhead ? orThrow(readRecord(body)) : undefined
    if (record?.kind === 'headers') yield { record, place: undefined }
    isAhead = record?.kind === 'headers' || record?.kind === 'opening'
    if (place.at === reached?.at && toHex(place.chain) === reached.chain) return
    if (reached === null || place.at >= reached.at) break
  }
  throw new AnotherExport(
    `the state is of another export than ${path}, or of more of it: take another --state, or remove it`,
  )
}

function placeOf(place: PlaceInFile | null): FilePlace {
  return place === null ? firstPlace : { at: place.at, chain: fromHex(place.chain) ?? firstPlace.chain }
}
