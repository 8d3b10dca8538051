import { readSteak } from '../../contract/steak.ts'
import { varInt } from '../../contract/transaction.ts'
import { concat } from '../../core/bytes.ts'
import type { Outgoing } from '../outgoing/outgoing.ts'
import type { PeerPost } from './deliver.ts'
import { PeerRefusal } from './outbox.ts'

const ANSWER_MS_MAX = 15_000
const ANSWER_BYTES_MAX = 64 * 1024

/** Submits to another overlay host, as any client would. */
export function postToPeer(call: Outgoing): PeerPost {
  return async (host, beef, topics, offChainValues, stop) => {
    const { status, body } = await call(new URL('/submit', host).href, {
      method: 'POST',
      answerMsMax: ANSWER_MS_MAX,
      answerBytesMax: ANSWER_BYTES_MAX,
      stop,
      headers: {
        'Content-Type': 'application/octet-stream',
        'X-Topics': JSON.stringify(topics),
        ...(offChainValues !== undefined && { 'x-includes-off-chain-values': 'true' }),
      },
      body: offChainValues === undefined ? beef : concat(varInt(beef.length), beef, offChainValues),
    })
    if (status === 200) return admittedTo(topics, body)
    // A host that hosts none of these topics, finds fault with it or breaks over it will not change its mind by being
    // asked again; which of these it is, its answer does not say in a way that hosts agree on. So it is asked again, slowly.
    if (!mindsOfTheHost.includes(status)) throw new PeerRefusal(`${host} answered ${status}`)
    throw new Error(`${host} answered ${status}`)
  }
}

/** It has heard of the transaction, whatever its answer says; what it has admitted is known by its STEAK alone. */
function admittedTo(topics: readonly string[], body: Uint8Array): string[] {
  const steak = readSteak(body) ?? {}
  return topics.filter(topic => Object.hasOwn(steak, topic) && (steak[topic]?.outputsToAdmit.length ?? 0) > 0)
}

/** These are about the host, or the way to it, rather than about what it was sent. */
const mindsOfTheHost = [401, 403, 404, 405, 407, 408, 429, 502, 503, 504]
