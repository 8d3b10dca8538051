import { setTimeout as sleep } from 'node:timers/promises'
import { type ExportRecord, RECORD_BYTES_MAX, readRecord, readRecords } from '../../contract/audit/records.ts'
import type { ExportSource } from '../../contract/audit/sequence.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { isObject, parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readBounded } from '../../runtime/read-bounded.ts'

/** So long a node may take for one answer. */
const ANSWER_MS_MAX = 120_000
/** Of packets: one of the largest may stand behind as many others as fit. */
const ANSWER_BYTES_MAX = 2 * RECORD_BYTES_MAX
/** A node that has too much to do says so; it is asked again so often. */
const TRIES_MAX = 10
const RETRY_SECONDS_MAX = 30

/** What a node does not say, in one sentence. */
export class NodeSilent extends Error {}

/** The log of a node, as it gives it to anybody. */
export function openNodeSource(node: string): ExportSource {
  const base = node.replace(/\/$/, '')
  return {
    async opening(streamId) {
      const query = streamId === null ? '' : `?${new URLSearchParams({ stream: streamId })}`
      const record = orThrow(readRecord(await ask(`${base}/export${query}`)))
      if (record.kind !== 'opening')
        throw new NodeSilent(`${node} answers /export with a record of another kind`)
      return record
    },
    headers: (from, count) =>
      ask(`${base}/export/headers?${new URLSearchParams({ from: `${from}`, count: `${count}` })}`),
    async *packets({ streamId, partition, from, to }) {
      const query = { stream: streamId, partition: `${partition}`, from: `${from}`, to: `${to}` }
      const records: readonly ExportRecord[] = orThrow(
        readRecords(await ask(`${base}/export/packets?${new URLSearchParams(query)}`)),
      )
      yield* records
    },
  }
}

async function ask(url: string): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    const response = await answerOf(url)
    if (response.ok) return readBounded(response, ANSWER_BYTES_MAX)
    const said = await saidIn(response)
    if (response.status !== 503 || tries === TRIES_MAX)
      throw new NodeSilent(`${url} is answered with ${response.status}${said}`)
    const seconds = Number(response.headers.get('retry-after') ?? 1)
    await sleep(1000 * Math.min(RETRY_SECONDS_MAX, Number.isFinite(seconds) ? seconds : 1))
  }
}

async function answerOf(url: string): Promise<Response> {
  try {
    return await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw new NodeSilent(`${url} is not answered: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

const SAID_BYTES_MAX = 64 * 1024

async function saidIn(response: Response): Promise<string> {
  const text = fromUtf8(await readBounded(response, SAID_BYTES_MAX)) ?? ''
  const json = parseJson(text)
  if (!json.ok || !isObject(json.value)) return ''
  const detail = json.value['detail'] ?? json.value['message']
  return typeof detail === 'string' ? `: ${detail}` : ''
}
