import * as z from 'zod'
import { u32le } from '../../../contract/transaction.ts'
import { concat, knownHex } from '../../../core/bytes.ts'
import { headerHash } from '../block.ts'
import { ask, parseLoosely, placeOf, under } from './ask.ts'
import type { HeaderSource } from './header-source.ts'

export type HeadersServiceOptions = {
  /** Where a Block Headers Service is, without the /api/v1. */
  readonly url: string
  readonly token?: string | undefined
  readonly timeoutMs?: number
}

/** A page takes about 0.8 MB; a service may send what it knows of other branches along. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024

/** A Block Headers Service, as published: `/chain/tip/longest` and `/chain/header/byHeight`. */
export function openHeadersService({ url, token, timeoutMs = 15_000 }: HeadersServiceOptions): HeaderSource {
  const headers = {
    Accept: 'application/json',
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
  }
  const name = `the header service at ${placeOf(new URL(url))}`

  async function get<Shape extends z.ZodType>(
    path: string,
    shape: Shape,
    signal: AbortSignal,
  ): Promise<z.output<Shape>> {
    const { status, text } = await ask(under(url, `/api/v1${path}`), {
      headers,
      timeoutMs,
      answerBytesMax: ANSWER_BYTES_MAX,
      signal,
    })
    if (status === 401 || status === 403)
      throw new Error(`${name} answers ${status}; HEADERS_TOKEN is not one that it takes`)
    if (status !== 200) throw new Error(`${name} answers ${status}: ${text.slice(0, 200)}`)
    const read = shape.safeParse(parseLoosely(text))
    if (!read.success)
      throw new Error(`${name} does not answer as published: ${z.prettifyError(read.error).slice(0, 500)}`)
    return read.data
  }

  return {
    name,
    async tip(signal) {
      const { header, height } = await get('/chain/tip/longest', tipAnswer, signal)
      return { height, hash: header.hash }
    },
    async headers(from, count, signal) {
      const answer = await get(`/chain/header/byHeight?height=${from}&count=${count}`, headersAnswer, signal)
      return answer.map(each => {
        const header = headerOf(each)
        if (headerHash(header) !== each.hash)
          throw new Error(`${name} calls a header ${each.hash} whose hash is ${headerHash(header)}`)
        return header
      })
    },
  }
}

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const u32 = z.int().min(0).max(0xffff_ffff)

const headerAnswer = z.object({
  hash,
  version: z.int().min(-0x8000_0000).max(0x7fff_ffff),
  prevBlockHash: hash,
  merkleRoot: hash,
  creationTimestamp: u32,
  difficultyTarget: u32,
  nonce: u32,
})
const headersAnswer = z.array(headerAnswer)
const tipAnswer = z.object({ header: z.object({ hash }), height: z.int().min(0).max(0x7fff_ffff) })

function headerOf(answer: z.output<typeof headerAnswer>): Uint8Array {
  return concat(
    u32le(answer.version >>> 0),
    knownHex(answer.prevBlockHash).reverse(),
    knownHex(answer.merkleRoot).reverse(),
    u32le(answer.creationTimestamp),
    u32le(answer.difficultyTarget),
    u32le(answer.nonce),
  )
}
