import { type FileHandle, open } from 'node:fs/promises'
import {
  chainOn,
  chainStart,
  FRAME_HEAD_BYTES,
  followed,
  frameHead,
  readFrameHead,
} from '../../contract/audit/frames.ts'
import { type ExportRecord, readRecord, writeRecord } from '../../contract/audit/records.ts'
import { advance, atBeginning, type Cursor } from '../../contract/audit/sequence.ts'
import { utf8 } from '../../core/bytes.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { errorCode } from '../../runtime/error-code.ts'

const MAGIC = utf8('assay-export 1\n')

/** A place between two records of a file. */
export type FilePlace = { readonly at: number; readonly chain: Uint8Array }

export const firstPlace: FilePlace = { at: MAGIC.length, chain: chainStart }

export type FileRecord = {
  readonly record: ExportRecord
  /** Behind it. */
  readonly place: FilePlace
}

/** Records from a place on, as many as are whole; a fault is the last thing said. */
export async function* readRecords(
  file: FileHandle,
  from: FilePlace = firstPlace,
): AsyncGenerator<Outcome<FileRecord>> {
  for await (const frame of readFrames(file, from)) {
    if (!frame.ok) return yield frame
    const record = readRecord(frame.value.body)
    if (!record.ok) return yield record
    yield accepted({ record: record.value, place: frame.value.place })
  }
}

type Frame = { readonly body: Uint8Array; readonly place: FilePlace }

/** The same by their digests, whatever they say. */
export async function* readFrames(
  file: FileHandle,
  from: FilePlace = firstPlace,
): AsyncGenerator<Outcome<Frame>> {
  const { size } = await file.stat()
  let { at, chain } = from
  while (at < size) {
    const head = await readExactly(file, at, FRAME_HEAD_BYTES, size)
    const announced = head && readFrameHead(head)
    if (announced === undefined) return
    if (!announced.ok) return yield announced
    const body = await readExactly(file, at + FRAME_HEAD_BYTES, announced.value.bytes, size)
    if (body === undefined) return
    const next = followed(chain, announced.value, body)
    if (!next.ok) return yield next
    chain = next.value
    at += FRAME_HEAD_BYTES + body.length
    yield accepted({ body, place: { at, chain } })
  }
}

/** Undefined where the file ends before. */
async function readExactly(
  file: FileHandle,
  at: number,
  length: number,
  size: number,
): Promise<Uint8Array | undefined> {
  if (at + length > size) return undefined
  const bytes = new Uint8Array(length)
  for (let read = 0; read < length; ) {
    const { bytesRead } = await file.read(bytes, read, length - read, at + read)
    if (bytesRead === 0) return undefined
    read += bytesRead
  }
  return bytes
}

export async function openRecords(path: string): Promise<Outcome<FileHandle>> {
  const file = await open(path, 'r')
  const head = await readExactly(file, 0, MAGIC.length, (await file.stat()).size)
  if (head !== undefined && isMagic(head)) return accepted(file)
  await file.close()
  return notExport(path)
}

export type RecordWriter = {
  /** How far the file is. */
  readonly cursor: () => Cursor
  /** Resolves once the record is handed to the operating system. */
  write(record: ExportRecord): Promise<void>
  /** The digest of the last record, which names all of them; resolves once everything is on disk. */
  finish(): Promise<Uint8Array>
  close(): Promise<void>
}

/** A new file, or one that was cut off: what stands behind its last whole record is taken away. */
export async function openRecordWriter(path: string): Promise<Outcome<RecordWriter>> {
  const file = await openOrMake(path)
  const { size } = await file.stat()
  const head = await readExactly(file, 0, Math.min(size, MAGIC.length), size)
  if (head !== undefined && !isMagic(head)) {
    await file.close()
    return notExport(path)
  }
  if (size < MAGIC.length) await file.write(MAGIC, 0, MAGIC.length, 0)
  let place = firstPlace
  let cursor = atBeginning
  let ahead = cursor
  let isUnmade = false
  for await (const read of readRecords(file)) {
    // What does not follow any more is written again.
    if (!read.ok) break
    const { record } = read.value
    ahead = advance(ahead, record)
    // So is what was still to be made, as long as its partition is not told to its end: by now it may be there.
    if (record.kind === 'packet') isUnmade = record.header === null && ahead.packetNo > 0
    if (isUnmade && record.kind !== 'closing') continue
    place = read.value.place
    cursor = ahead
  }
  await file.truncate(place.at)
  return accepted({
    cursor: () => cursor,
    async write(record) {
      const body = writeRecord(record)
      const chain = chainOn(place.chain, body)
      const head = frameHead(chain, body)
      await writeExactly(file, head, place.at)
      await writeExactly(file, body, place.at + head.length)
      place = { at: place.at + head.length + body.length, chain }
      cursor = advance(cursor, record)
    },
    async finish() {
      await file.sync()
      return place.chain
    },
    close: () => file.close(),
  })
}

async function openOrMake(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    // It may hold what is restricted.
    return open(path, 'wx+', 0o600)
  }
}

async function writeExactly(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at + written)
    written += bytesWritten
  }
}

function isMagic(head: Uint8Array): boolean {
  return head.every((byte, i) => byte === MAGIC[i])
}

function notExport(path: string) {
  return refused('export-unreadable', `${path} is not an export; name another file`)
}
