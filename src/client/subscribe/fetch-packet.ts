import { openPacketProof, type PacketContents } from '../../contract/packet-contents.ts'
import { type PacketProof, readPacketProof } from '../../contract/proof.ts'
import { ROUNDS_PATH, roundPartUrl } from '../../contract/round-locations.ts'
import { type Trust, type ValidPacketProof, verifyPacketProof } from '../../contract/verify.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { PACKET_BYTES_MAX, packetId as packetIdOf } from '../../core/log/packet-header.ts'
import { outputBounds } from '../../core/work/stage-output.ts'
import { readBounded } from '../../runtime/read-bounded.ts'
import { pause, pauseAfter } from '../pause.ts'
import { type Refusal, refusalOf, unreachable } from '../refusal.ts'
import { within } from '../within.ts'

/** A GET, as `fetch` and the stock client of BRC-104 both have it. */
export type Get = (
  url: string,
  request: { readonly method: string; readonly signal: AbortSignal },
) => Promise<Response>

export type PacketSourceOptions = {
  readonly url: string
  readonly trust: Trust
  readonly fetch: Get
  /** So long what is not there yet, or cannot be asked for, is waited for. */
  readonly patienceMs: number
  readonly signal: AbortSignal
}

export type Fetched<T> =
  | { readonly kind: 'fetched'; readonly value: T }
  /** What was fetched does not hold. */
  | { readonly kind: 'invalid'; readonly detail: string }
  /** Nothing could be fetched. */
  | { readonly kind: 'missing'; readonly refusal: Refusal }

export type PacketSource = {
  /** Everything in a packet, under its certificate. */
  contents(packetId: string): Promise<Fetched<PacketContents>>
  /** What its proof alone says, and how far that holds. */
  proof(packetId: string): Promise<Fetched<Pick<ValidPacketProof, 'packet' | 'level' | 'shortfall'>>>
}

/** Of packets that were opened, so many are kept: several partitions are told of in turns. */
const OPENED_MAX = 8
const PROOF_BYTES_MAX = 16 * 1024 * 1024
/** One answer, to its end. */
const ANSWER_MS = 60_000
const pauses = { firstMs: 200, longestMs: 10_000 }

/** Fetches a packet's proof, its lines and its output from a node, and believes none of it unchecked. */
export function openPacketSource({
  url,
  trust,
  fetch,
  patienceMs,
  signal,
}: PacketSourceOptions): PacketSource {
  const base = url.replace(/\/$/, '')
  const opened = new Map<string, Promise<Fetched<PacketContents>>>()

  const get = async (address: string, bytesMax: number): Promise<Fetched<Uint8Array>> => {
    const untilMs = Date.now() + patienceMs
    for (let failures = 1; ; failures++) {
      const got = await tryToGet(address, bytesMax, fetch, signal)
      if (got.kind !== 'missing' || !got.refusal.retryable || signal.aborted) return got
      const againInMs = pauseAfter(failures, Math.random(), pauses, got.refusal.retryAfterMs)
      if (Date.now() + againInMs > untilMs) return got
      await pause(againInMs, signal)
    }
  }

  const getProof = async (packetId: string): Promise<Fetched<{ text: string; proof: PacketProof }>> => {
    const got = await get(`${base}/packets/${packetId}/proof`, PROOF_BYTES_MAX)
    if (got.kind !== 'fetched') return got
    const text = fromUtf8(got.value) ?? ''
    const proof = readPacketProof(text)
    if (!proof.ok) return { kind: 'invalid', detail: proof.fault.detail }
    return packetIdOf(proof.value.packet.header) === packetId
      ? { kind: 'fetched', value: { text, proof: proof.value } }
      : {
          kind: 'invalid',
          detail: `the node was asked for the proof of packet ${packetId}, and gave another one`,
        }
  }

  const open = async (packetId: string): Promise<Fetched<PacketContents>> => {
    const got = await getProof(packetId)
    if (got.kind !== 'fetched') return got
    const { header } = got.value.proof.packet
    const { content } = got.value.proof.manifest
    const [lines, output] = await Promise.all([
      header.count === 0
        ? nothing
        : get(roundPartUrl(base + ROUNDS_PATH, 'packet', packetId), PACKET_BYTES_MAX),
      content.count === 0 ? nothing : get(`${base}/uhrp/${content.contentHash}`, outputBounds.bytesMax),
    ])
    if (lines.kind !== 'fetched') return lines
    if (output.kind !== 'fetched') return output
    const contents = openPacketProof(got.value.text, { lines: lines.value, output: output.value }, trust)
    return contents.ok
      ? { kind: 'fetched', value: contents.value }
      : { kind: 'invalid', detail: contents.fault.detail }
  }

  return {
    contents(packetId) {
      const known = opened.get(packetId)
      if (known !== undefined) return known
      const contents = open(packetId).then(fetched => {
        // What could not be had is asked for again.
        if (fetched.kind !== 'fetched') opened.delete(packetId)
        return fetched
      })
      opened.set(packetId, contents)
      const [oldest] = opened.keys()
      if (opened.size > OPENED_MAX && oldest !== undefined) opened.delete(oldest)
      return contents
    },
    async proof(packetId) {
      const got = await getProof(packetId)
      if (got.kind !== 'fetched') return got
      const verdict = verifyPacketProof(got.value.text, trust)
      return verdict.kind === 'valid'
        ? { kind: 'fetched', value: verdict }
        : { kind: 'invalid', detail: verdict.fault.detail }
    },
  }
}

const nothing: Fetched<Uint8Array> = { kind: 'fetched', value: new Uint8Array() }

async function tryToGet(
  address: string,
  bytesMax: number,
  fetch: Get,
  stop: AbortSignal,
): Promise<Fetched<Uint8Array>> {
  const request = new AbortController()
  const hangUp = () => request.abort()
  const ask = async (): Promise<Fetched<Uint8Array>> => {
    const response = await fetch(address, { method: 'GET', signal: request.signal })
    if (!response.ok) return { kind: 'missing', refusal: await refusalOf(response, Date.now()) }
    return { kind: 'fetched', value: await readBounded(response, bytesMax) }
  }
  stop.addEventListener('abort', hangUp)
  try {
    if (stop.aborted) hangUp()
    return await within(ask(), ANSWER_MS, `the node has not answered in ${ANSWER_MS} ms`)
  } catch (error) {
    return { kind: 'missing', refusal: unreachable(error) }
  } finally {
    stop.removeEventListener('abort', hangUp)
    hangUp()
  }
}
