import type { FileHandle } from 'node:fs/promises'

export type Span = { readonly file: FileHandle; readonly at: number; readonly length: number }

export type LineDifference = {
  /** Counted from 0. */
  readonly line: number
  /** Where the two lines part ways: so many bytes of them are equal. */
  readonly equalBytes: number
  /** As they stand there, or the first of it where they are long; null where there is no such line. */
  readonly oneLine: string | null
  readonly otherLine: string | null
}

/** Enough for people to see what it is about. */
export const SHOWN_BYTES_MAX = 8 * 1024
const CHUNK_BYTES = 256 * 1024

/** Of two texts in lines, read side by side and a chunk at a time; undefined where they are equal. */
export async function firstDifferenceOf(one: Span, other: Span): Promise<LineDifference | undefined> {
  const shorter = Math.min(one.length, other.length)
  let [line, lineAt, at] = [0, 0, 0]
  while (at < shorter) {
    const bytes = Math.min(CHUNK_BYTES, shorter - at)
    const [left, right] = [await readAt(one, at, bytes), await readAt(other, at, bytes)]
    const equal = equalBytesOf(left, right)
    const same = left.subarray(0, equal)
    for (let end = same.indexOf(NEWLINE); end !== -1; end = same.indexOf(NEWLINE, end + 1)) {
      line += 1
      lineAt = at + end + 1
    }
    at += equal
    if (equal < bytes) break
  }
  if (at === one.length && at === other.length) return undefined
  return {
    line,
    equalBytes: at - lineAt,
    oneLine: await lineOf(one, lineAt),
    otherLine: await lineOf(other, lineAt),
  }
}

const NEWLINE = 0x0a

function equalBytesOf(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length)
  let at = 0
  while (at < length && left[at] === right[at]) at += 1
  return at
}

async function lineOf(span: Span, lineAt: number): Promise<string | null> {
  if (lineAt >= span.length) return null
  const bytes = await readAt(span, lineAt, Math.min(SHOWN_BYTES_MAX, span.length - lineAt))
  const end = bytes.indexOf(NEWLINE)
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8')
}

/** What is not in the file is not in the answer either: it ends there. */
async function readAt({ file, at }: Span, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let read = 0; read < length; ) {
    const { bytesRead } = await file.read(bytes, read, length - read, at + offset + read)
    if (bytesRead === 0) return bytes.subarray(0, read)
    read += bytesRead
  }
  return bytes
}
