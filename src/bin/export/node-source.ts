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
      if (record.streamId !== streamId)
        throw new NodeSilent(
          `${node} was asked for ${nameOf(streamId)}, and answers with ${nameOf(record.streamId)}`,
        )
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

function nameOf(streamId: string | null): string {
  return streamId === null ? 'all streams' : `stream "${streamId}"`
}

type Answer = Uint8Array | { readonly why: string; readonly retrySeconds: number | null }

async function ask(url: string): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    const answer = await answerOf(url)
    if (answer instanceof Uint8Array) return answer
    if (answer.retrySeconds === null || tries === TRIES_MAX) throw new NodeSilent(`${url} is ${answer.why}`)
    await sleep(1000 * Math.min(RETRY_SECONDS_MAX, answer.retrySeconds))
  }
}

/** Also what breaks off in the middle: a node that was killed may be back in a moment. */
async function answerOf(url: string): Promise<Answer> {
  let isBegun = false
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX)
    const response = await fetch(url, { redirect: 'error', signal })
    isBegun = true
    if (response.ok) return await readBounded(response, ANSWER_BYTES_MAX, signal)
    const why = `answered with ${response.status}${await saidIn(response, signal)}`
    const seconds = Number(response.headers.get('retry-after') ?? 1)
    const retrySeconds = Number.isFinite(seconds) ? seconds : 1
    return { why, retrySeconds: response.status === 503 ? retrySeconds : null }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const said = cause instanceof Error ? cause.message : String(cause)
    return isBegun
      ? { why: `answered in part: ${said}`, retrySeconds: 1 }
      : { why: `not answered: ${said}`, retrySeconds: null }
  }
}

const SAID_BYTES_MAX = 64 * 1024

async function saidIn(response: Response, signal: AbortSignal): Promise<string> {
  const text = fromUtf8(await readBounded(response, SAID_BYTES_MAX, signal)) ?? ''
  const json = parseJson(text)
  if (!json.ok || !isObject(json.value)) return ''
  const detail = json.value['detail'] ?? json.value['message']
  return typeof detail === 'string' ? `: ${detail}` : ''
}
