import { pipeline } from 'node:stream'
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib'
import * as z from 'zod'
import { concat, concatAll } from '../../core/bytes.ts'
import { accepted, type Fault, FaultError, type Outcome, refused } from '../../core/fault.ts'
import { errorCode } from '../../runtime/error-code.ts'

export type Encoding = 'identity' | 'gzip' | 'deflate' | 'br'

export type InflateLimits = {
  readonly bytesMax: number
  /** Inflated bytes per byte sent, beyond the first RATIO_FREE_BYTES: events shrink well, but not like this. */
  readonly ratioMax: number
}

export const inflateLimits: InflateLimits = { bytesMax: 8 * 1024 * 1024, ratioMax: 200 }

/** So much may come of any body, however small: it does no harm, and a few equal events do shrink to nothing. */
export const RATIO_FREE_BYTES = 1024 * 1024
/** What is not longer, unpacked, costs less at once than handing it to another thread. A longer one would keep others waiting. */
const SYNC_BYTES_MAX = 1024 * 1024
const CHUNK_BYTES = 64 * 1024
/** Another thread hands over so much at once: what it costs here is by the piece. */
const HANDED_OVER_BYTES = 256 * 1024

/** One at most: an encoding inside of another serves those who hide a bomb, and nobody else. */
export function encodingOf(contentEncoding: string | undefined): Outcome<Encoding> {
  const encoding = encodings.get((contentEncoding ?? '').trim().toLowerCase())
  return encoding === undefined
    ? refused(
        'body-type-unknown',
        'the Content-Encoding is none that is undone here; send one of gzip, deflate and br, once, or none',
      )
    : accepted(encoding)
}

const encodings = new Map<string, Encoding>([
  ['', 'identity'],
  ['identity', 'identity'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
])

/** The body as it was before it was packed. */
export async function inflate(
  bytes: Uint8Array,
  encoding: Encoding,
  limits: InflateLimits = inflateLimits,
): Promise<Outcome<Uint8Array>> {
  if (encoding === 'identity') return accepted(bytes)
  if (bytes.length < SYNC_BYTES_MAX) {
    const now = inflateNow(bytes, encoding, limits)
    if (now !== 'longer') return now
  }
  try {
    const pieces: Uint8Array[] = []
    for await (const piece of inflateStream(inPieces(bytes), encoding, limits)) pieces.push(piece)
    return accepted(concatAll(pieces))
  } catch (error) {
    if (error instanceof FaultError) return { ok: false, fault: error.fault }
    throw error
  }
}

/**
 * The same for a body that comes in pieces, no faster than it is taken. Throws a FaultError where the body cannot be
 * unpacked, or is too much, and whatever the chunks throw.
 */
export async function* inflateStream(
  chunks: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  limits: InflateLimits,
): AsyncGenerator<Uint8Array> {
  if (encoding === 'identity') {
    yield* chunks
    return
  }
  let fed = 0
  let cause: { readonly error: unknown } | undefined
  const [head, all] = await peek(chunks)
  async function* feed() {
    try {
      for await (const chunk of all) {
        fed += chunk.length
        yield chunk
      }
    } catch (error) {
      cause = { error }
      throw error
    }
  }

  const inflater = inflaterOf(encoding, head)
  // Whatever goes wrong is thrown below, where the pieces are taken.
  pipeline(feed(), inflater, () => undefined)
  let inflated = 0
  try {
    for await (const piece of inflater) {
      const bytes = plain(piece)
      inflated += bytes.length
      const room = roomFor(fed, limits)
      if (inflated > room) throw new FaultError(tooMuch(room, fed, limits))
      yield bytes
    }
  } catch (error) {
    if (cause !== undefined) throw cause.error
    throw isFromZlib(error) ? new FaultError(broken(encoding)) : error
  }
  if (inflater.bytesWritten < fed) throw new FaultError(followed(encoding))
}

function inflateNow(
  bytes: Uint8Array,
  encoding: Exclude<Encoding, 'identity'>,
  limits: InflateLimits,
): Outcome<Uint8Array> | 'longer' {
  const room = roomFor(bytes.length, limits)
  const maxOutputLength = Math.min(room, SYNC_BYTES_MAX)
  try {
    const { buffer, engine } = withInfo.parse(
      inflateSyncOf(encoding, bytes)(bytes, { maxOutputLength, chunkSize: CHUNK_BYTES, info: true }),
    )
    if (engine.bytesWritten < bytes.length) return { ok: false, fault: followed(encoding) }
    return accepted(plain(buffer))
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE')
      return maxOutputLength < room ? 'longer' : { ok: false, fault: tooMuch(room, bytes.length, limits) }
    if (isFromZlib(error)) return { ok: false, fault: broken(encoding) }
    throw error
  }
}

/** What the functions answer that are asked for `info`, and their types do not say. */
const withInfo = z.object({
  buffer: z.instanceof(Uint8Array),
  engine: z.object({ bytesWritten: z.number() }),
})

function inflateSyncOf(encoding: Exclude<Encoding, 'identity'>, head: Uint8Array) {
  if (encoding === 'br') return brotliDecompressSync
  if (encoding === 'gzip') return gunzipSync
  return hasZlibHeader(head) ? inflateSync : inflateRawSync
}

function inflaterOf(encoding: Exclude<Encoding, 'identity'>, head: Uint8Array) {
  const options = { chunkSize: HANDED_OVER_BYTES }
  if (encoding === 'br') return createBrotliDecompress(options)
  if (encoding === 'gzip') return createGunzip(options)
  return hasZlibHeader(head) ? createInflate(options) : createInflateRaw(options)
}

/** "deflate" means the zlib format (RFC 9110, 8.4.1.2), which half of all senders did not know. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

const HEAD_BYTES = 2

/** The first bytes, and the whole with them. */
async function peek(chunks: AsyncIterable<Uint8Array>): Promise<[Uint8Array, AsyncIterable<Uint8Array>]> {
  const rest = chunks[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < HEAD_BYTES) {
    const next = await rest.next()
    if (next.done) break
    head = concat(head, next.value)
  }
  async function* all() {
    try {
      yield head
      yield* { [Symbol.asyncIterator]: () => rest }
    } finally {
      await rest.return?.()
    }
  }
  return [head, all()]
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
}

function roomFor(sent: number, { bytesMax, ratioMax }: InflateLimits): number {
  return Math.min(bytesMax, Math.max(RATIO_FREE_BYTES, ratioMax * sent))
}

function tooMuch(room: number, sent: number, { bytesMax, ratioMax }: InflateLimits): Fault {
  return {
    code: 'body-too-large',
    detail:
      room === bytesMax
        ? `the body is longer than ${bytesMax} bytes, unpacked; send less at once`
        : `the body grows to more than ${ratioMax} times the ${sent} bytes that were sent; send it less packed`,
  }
}

function broken(encoding: Encoding): Fault {
  return {
    code: 'body-unreadable',
    detail: `the body is not ${encoding}, or not all of it; pack it again, and send all of it`,
  }
}

function followed(encoding: Encoding): Fault {
  return {
    code: 'body-unreadable',
    detail: `bytes follow the end of the ${encoding} body; send nothing after it`,
  }
}

/** Its codes are the names of zlib's and of Brotli's own errors. */
function isFromZlib(error: unknown): boolean {
  return /^(?:Z_(?!MEM_ERROR)|ERR__ERROR_)/.test(errorCode(error) ?? '')
}

/** A view of a Buffer is another Buffer, and takes many times as long to make. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
