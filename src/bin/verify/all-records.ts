import { EXPORT_HEADERS_MAX, type ExportRecord, type OpeningRecord } from '../../contract/audit/records.ts'
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
import { type FilePlace, firstPlace, openRecords, readRecords } from '../export/record-file.ts'

/** Where a log is looked at. */
export type Whence = { readonly file: string } | { readonly node: string; readonly streamId: string | null }

/** How far it was read. */
export type Place = {
  readonly cursor: Cursor
  /** Of a file: behind the record, and behind the first one, which tells it from other files. */
  readonly file: { readonly at: number; readonly chain: string; readonly first: string } | null
}

export type PlacedRecord = {
  readonly record: ExportRecord
  /** Behind the record; undefined where it was read once more, for what it says is kept in no state. */
  readonly place: Place | undefined
}

export class AnotherExport extends Error {}

/** All records, or those from a place on, behind the block headers. */
export function recordsFrom(whence: Whence, from: Place | undefined): AsyncGenerator<PlacedRecord> {
  return 'file' in whence ? recordsOfFile(whence.file, from) : recordsOfNode(whence, from)
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

async function* recordsOfFile(path: string, from: Place | undefined): AsyncGenerator<PlacedRecord> {
  const file = orThrow(await openRecords(path))
  try {
    let cursor = atBeginning
    let first: string | undefined
    for await (const read of readRecords(file)) {
      const { record, place } = orThrow(read)
      cursor = advance(cursor, record)
      first ??= toHex(place.chain)
      if (from === undefined)
        yield { record, place: { cursor, file: { at: place.at, chain: toHex(place.chain), first } } }
      else if (first !== from.file?.first)
        throw new AnotherExport(
          `the state is of another export than ${path}: take another --state, or remove it`,
        )
      else if (record.kind === 'headers') yield { record, place: undefined }
      else if (record.kind !== 'opening') break
    }
    if (from?.file == null || first === undefined) return
    cursor = from.cursor
    for await (const read of readRecords(file, placeOf(from.file))) {
      const { record, place } = orThrow(read)
      cursor = advance(cursor, record)
      yield { record, place: { cursor, file: { at: place.at, chain: toHex(place.chain), first } } }
    }
  } finally {
    await file.close()
  }
}

function placeOf({ at, chain }: NonNullable<Place['file']>): FilePlace {
  return { at, chain: fromHex(chain) ?? firstPlace.chain }
}
