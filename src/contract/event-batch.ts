import { publicKeyOf } from '#curve'
import { sha256Hex } from '#sha256'
import { fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { parseJson } from '../core/canonical-json.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { bySchema } from '../core/schema.ts'
import { readOnce } from './read-once.ts'
import { EVENTS_INLINE_BYTES_MAX, eventsMembers, type TokenBodies } from './token-bodies.ts'
import { type Issuer, readToken, type TokenOf, tagOf, tokenScript } from './tokens.ts'

/** Default of what a topic takes as off-chain values; a larger batch goes behind a URL, or becomes several. */
export const EVENTS_OFF_CHAIN_BYTES_MAX = 8 * 1024 * 1024

export type EventBatch = {
  /** The publisher. Ingest takes the events only if the source is registered to this identity. */
  readonly issuer: Issuer
  readonly streamId: string
  readonly sourceId: string
  /** One JSON text per line; the newline after the last may be missing. */
  readonly ndjson: Uint8Array | string
  readonly as: 'inline' | 'off-chain' | { readonly url: string }
}

export type EventBatchToken = {
  /** Locking script of an output of one satoshi or more. */
  readonly script: Uint8Array
  readonly subject: string
  readonly count: number
  /** To be submitted along with the transaction, where the batch is off-chain. */
  readonly offChainValues?: Uint8Array
}

/** The token by which a publisher submits a batch of events as an overlay transaction. */
export function eventBatchToken(batch: EventBatch): Outcome<EventBatchToken> {
  const { issuer, streamId, sourceId, as } = batch
  const lines = readLines(batch.ndjson)
  if (!lines.ok) return lines
  const { bytes, count } = lines.value
  const why = tooLong(bytes.length, as) ?? againstIssuer(issuer)
  if (why !== undefined) return refused('token-invalid', why)

  const carried = as === 'inline' ? { bytes } : as === 'off-chain' ? {} : { url: as.url }
  const body = bySchema(eventsMembers, { streamId, sourceId, count, ...carried }, 'token-invalid')
  if (!body.ok) return body
  const subject = sha256Hex(bytes)
  const script = tokenScript('GDE1', issuer, subject, body.value)
  return accepted({ script, subject, count, ...(as === 'off-chain' && { offChainValues: bytes }) })
}

/** The batch in a locking script, if it is a sound one. */
export const readEventBatch = readOnce((script): TokenOf<'GDE1'> | undefined => {
  const token = tagOf(script) === 'GDE1' ? readToken(script) : undefined
  return token?.ok && token.value.tag === 'GDE1' ? token.value : undefined
})

/** How a batch of events travels: in its token, beside its transaction, or behind the URL that the token names. */
export type Carried = 'inline' | 'off-chain' | 'url'

export function carriedBy({ bytes, url }: TokenBodies['GDE1']): Carried {
  if (bytes !== undefined) return 'inline'
  return url === undefined ? 'off-chain' : 'url'
}

function readLines(ndjson: Uint8Array | string): Outcome<{ bytes: Uint8Array; count: number }> {
  const text = typeof ndjson === 'string' ? ndjson : fromUtf8(ndjson)
  if (!text?.isWellFormed()) return refused('json-unreadable', 'the batch is not valid Unicode; send UTF-8')
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  for (const [i, line] of lines.entries()) {
    const json = parseJson(line)
    if (!json.ok)
      return refused(
        json.fault.code,
        `line ${i + 1} of the batch: ${json.fault.detail}; send one JSON text per line, and no line without one`,
      )
  }
  return accepted({ bytes: typeof ndjson === 'string' ? utf8(ndjson) : ndjson, count: lines.length })
}

function tooLong(bytes: number, as: EventBatch['as']): string | undefined {
  if (as === 'inline' && bytes > EVENTS_INLINE_BYTES_MAX)
    return `the batch has ${bytes} bytes and ${EVENTS_INLINE_BYTES_MAX} fit into a token; send it as off-chain values`
  if (as === 'off-chain' && bytes > EVENTS_OFF_CHAIN_BYTES_MAX)
    return `the batch has ${bytes} bytes and ${EVENTS_OFF_CHAIN_BYTES_MAX} go beside a transaction; split it, or put it behind a URL`
  return undefined
}

function againstIssuer({ identityKey, privateKey }: Issuer): string | undefined {
  return toHex(publicKeyOf(privateKey)) === identityKey
    ? undefined
    : 'the identity key is not that of the private key, so nobody could verify the token; give the two of one publisher'
}
