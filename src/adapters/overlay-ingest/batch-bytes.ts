import type { Pool } from 'pg'
import { sha256Hex } from '#sha256'
import { hashInUhrpUrl } from '../../contract/uhrp-url.ts'
import type { SubmittedBatch } from '../../ingest/overlay-batch.ts'
import type { FoundBytes } from '../../ingest/take-batch.ts'
import { notBanned } from '../indexes/not-banned.ts'
import { type Outgoing, OutgoingError } from '../outgoing/outgoing.ts'
import { bytea } from '../postgres/sql.ts'
import type { ContentStore } from '../uhrp/content-store.ts'

export type BatchBytesDeps = {
  readonly pool: Pool
  readonly outgoing: Outgoing
  readonly store: Pick<ContentStore, 'open'>
  now(): number
  readonly stop: AbortSignal
  readonly bytesMax?: number
  readonly answerMsMax?: number
}

/** As much as a packet holds. It is in memory as a whole, because nothing of it counts before its hash is right. */
export const BATCH_BYTES_MAX = 32 * 1024 * 1024
const ANSWER_MS_MAX = 20_000
/** That are asked at one try; all of one hash are alike, and the next try comes. */
const HOSTS_MAX = 2

/** The bytes of a batch: in its token, beside its transaction, or from where it says. */
export async function batchBytes(
  batch: SubmittedBatch & { readonly offChainValues?: Uint8Array },
  deps: BatchBytesDeps,
): Promise<FoundBytes> {
  const { subject, body } = batch.token
  if (body.bytes !== undefined) return { kind: 'found', bytes: body.bytes }
  if (body.url !== undefined) return fromUrl(body.url, batch, deps)
  const bytes = batch.offChainValues
  // Kept with the admission, so they are not on their way.
  if (bytes === undefined)
    return { kind: 'unreadable', detail: 'the off-chain values of its transaction are not here' }
  return sha256Hex(bytes) === subject
    ? { kind: 'found', bytes }
    : { kind: 'unreadable', detail: 'the off-chain values of its transaction are those of another batch' }
}

async function fromUrl(url: string, batch: SubmittedBatch, deps: BatchBytesDeps): Promise<FoundBytes> {
  if (/^https?:\/\//i.test(url)) return fetchFrom([url], batch.token.subject, deps)
  const hash = hashInUhrpUrl(url)
  if (hash === undefined)
    return { kind: 'unreadable', detail: 'its URL is neither http or https nor a UHRP URL' }
  // What the URL names has another hash, and always will.
  if (hash !== batch.token.subject)
    return { kind: 'unreadable', detail: 'its UHRP URL names other bytes than its subject' }
  const stored = await fromStore(hash, batch.token.issuer, deps)
  return stored ?? fetchFrom(await hostsOf(hash, deps), hash, deps)
}

/** What its publisher may read here, so that nobody gets at others' content by naming it in a batch. */
async function fromStore(
  hash: string,
  issuer: string,
  { store, bytesMax = BATCH_BYTES_MAX }: BatchBytesDeps,
): Promise<FoundBytes | undefined> {
  const opened = await store.open(hash, { identityKey: issuer })
  if (opened.kind !== 'open') return undefined
  const { file, length } = opened.object
  try {
    if (length > bytesMax) return tooLong(length, bytesMax)
    const bytes = await file.readFile()
    // Damaged here, it may be whole elsewhere.
    return sha256Hex(bytes) === hash ? { kind: 'found', bytes } : undefined
  } finally {
    await file.close()
  }
}

async function hostsOf(hash: string, { pool, now }: BatchBytesDeps): Promise<string[]> {
  const { rows } = await pool.query<{ url: string }>({
    text: `select url from uhrp_adverts as listed where hash = $1 and expires_s >= $2 and ${notBanned('listed', ['listed.origin'])}
      group by url order by random() limit $3`,
    values: [bytea(hash), Math.floor(now() / 1000), HOSTS_MAX],
  })
  return rows.map(({ url }) => url)
}

async function fetchFrom(
  urls: readonly string[],
  subject: string,
  { outgoing, stop, bytesMax = BATCH_BYTES_MAX, answerMsMax = ANSWER_MS_MAX }: BatchBytesDeps,
): Promise<FoundBytes> {
  let detail = 'no host advertises its content'
  for (const url of urls)
    try {
      const { status, body } = await outgoing(url, { answerBytesMax: bytesMax, answerMsMax, stop })
      if (status !== 200) detail = `${hostIn(url)} answers ${status} for its content`
      else if (sha256Hex(body) !== subject)
        detail = `${hostIn(url)} serves other bytes than its subject names`
      else return { kind: 'found', bytes: body }
    } catch (error) {
      if (!(error instanceof OutgoingError)) throw error
      detail = error.message
    }
  return { kind: 'unavailable', detail }
}

function hostIn(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'its host'
}

function tooLong(length: number, bytesMax: number): FoundBytes {
  return { kind: 'unreadable', detail: `it has ${length} bytes, and ${bytesMax} are taken in one batch` }
}
