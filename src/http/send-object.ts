import { createHash } from 'node:crypto'
import type { Request, Response } from 'express'
import type { OpenObject } from '../adapters/uhrp/content-store.ts'
import { notRun } from './not-run.ts'
import { sendError } from './overlay-error.ts'
import type { UhrpLimits } from './uhrp-limits.ts'

/** The file does not hold the bytes that its name says. */
export class DamagedObject extends Error {}

/**
 * An object as the answer to a GET or HEAD: whole, one range of it, or "not modified". Resolves once it is sent, or its
 * reader has left or was cut off. Rejects with DamagedObject before the last piece of a whole object that is another
 * one: nobody gets wrong bytes and takes them for all there is. Of a range nothing can be said but by the sweep.
 */
export async function sendObject(
  request: Request,
  response: Response,
  object: OpenObject,
  limits: UhrpLimits,
): Promise<void> {
  response.set('ETag', `"${object.sha256}"`)
  if (request.fresh) {
    response.status(304).set('Cache-Control', cachingOf(object)).end()
    return
  }
  const part = partOf(request, object)
  if (part === 'none') {
    response.set('Content-Range', `bytes */${object.length}`)
    return sendError(response, {
      status: 416,
      code: 'ERR_UHRP_RANGE',
      message: `the object has ${object.length} bytes, and the range is outside of them; ask for one inside`,
    })
  }
  // Not with express's set(), which would make another type of some.
  response.setHeaders(new Map(Object.entries(objectHeaders(object))))
  const { start, end } = part ?? { start: 0, end: object.length - 1 }
  if (part !== undefined) response.status(206).set('Content-Range', `bytes ${start}-${end}/${object.length}`)
  response.set('Content-Length', String(end - start + 1))
  if (request.method === 'HEAD') response.end()
  else await stream(object, { start, end }, response, limits)
}

/** Takes back what was said of an object that is not sent after all. */
export function clearObjectHeaders(response: Response, object: OpenObject): void {
  for (const name of [...Object.keys(objectHeaders(object)), 'Content-Length', 'Content-Range'])
    response.removeHeader(name)
}

/** What a stranger uploaded may say what it is, but not run in the name of this host. */
export function objectHeaders(object: OpenObject): Record<string, string> {
  const { sha256, contentType } = object
  return {
    ETag: `"${sha256}"`,
    'Accept-Ranges': 'bytes',
    'Content-Type': contentType,
    'Cache-Control': cachingOf(object),
    ...notRun,
    'Content-Disposition': isShown(contentType) ? 'inline' : 'attachment',
  }
}

function cachingOf({ audience }: OpenObject): string {
  return audience === 'public' ? 'public, max-age=31536000, immutable' : 'private, no-store'
}

/** The types that a browser shows and does not run; everything else it saves. */
function isShown(contentType: string): boolean {
  const [type = ''] = contentType.toLowerCase().split(';')
  return /^(?:image\/(?:png|jpeg|gif|webp|avif)|(?:audio|video)\/[a-z0-9.+-]+|text\/plain|text\/csv|application\/(?:json|x-ndjson|cbor|octet-stream))$/.test(
    type.trim(),
  )
}

type Part = { readonly start: number; readonly end: number }

/** Undefined where the whole is the answer: also to several ranges, which a server need not serve. */
function partOf(request: Request, { sha256, length }: OpenObject): Part | 'none' | undefined {
  // A range is defined for GET alone.
  if (request.method !== 'GET') return undefined
  const condition = request.get('if-range')
  if (condition !== undefined && condition !== `"${sha256}"`) return undefined
  const ranges = request.range(length, { combine: true })
  if (ranges === -1) return isLongSuffix(request, length) ? undefined : 'none'
  if (ranges === undefined || ranges === -2 || ranges.type !== 'bytes') return undefined
  return ranges.length === 1 ? ranges[0] : undefined
}

/** "The last n bytes" of fewer are all of them (RFC 9110, 14.1.2); the parser takes that for unsatisfiable. */
function isLongSuffix(request: Request, length: number): boolean {
  const [, suffix] = /^bytes=-(\d+)$/.exec(request.get('range') ?? '') ?? []
  return suffix !== undefined && length > 0 && Number(suffix) > length
}

const CHUNK_BYTES = 256 * 1024

/** Reads on only as the reader takes it, so that no answer ever has more than two chunks in memory. */
async function stream(
  { file, sha256, length: objectLength }: OpenObject,
  { start, end }: Part,
  response: Response,
  { silenceMsMax, readBytesPerSecondMin }: UhrpLimits,
): Promise<void> {
  const cutOff = () => response.destroy()
  const silence = setTimeout(cutOff, silenceMsMax)
  const tooSlow = setTimeout(cutOff, silenceMsMax + (1000 * (end - start + 1)) / readBytesPerSecondMin)
  try {
    const length = end + 1 - start
    const hash = length === objectLength ? createHash('sha256') : undefined
    let filling = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length))
    let sending = Buffer.allocUnsafe(length > CHUNK_BYTES ? CHUNK_BYTES : 0)
    let sent = Promise.resolve(true)
    for (let at = start; at <= end; ) {
      const { bytesRead } = await file.read(filling, 0, Math.min(CHUNK_BYTES, end + 1 - at), at)
      if (bytesRead === 0)
        throw new DamagedObject(`a stored file has become shorter than ${end + 1} bytes while it was read`)
      at += bytesRead
      hash?.update(filling.subarray(0, bytesRead))
      if (at > end && hash !== undefined && hash.digest('hex') !== sha256)
        throw new DamagedObject('a stored file does not hash to its name')
      if (!(await sent)) return
      silence.refresh()
      ;[filling, sending] = [sending, filling]
      sent = write(response, sending.subarray(0, bytesRead))
    }
    if (await sent) response.end()
  } finally {
    clearTimeout(silence)
    clearTimeout(tooSlow)
  }
}

/** Resolves once the buffer may be used again; false where the reader has left. */
function write(response: Response, chunk: Uint8Array): Promise<boolean> {
  return new Promise(resolve => {
    if (response.destroyed) return resolve(false)
    const leave = () => resolve(false)
    response.once('close', leave)
    response.write(chunk, error => {
      response.off('close', leave)
      resolve(!error)
    })
  })
}
