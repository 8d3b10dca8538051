import { varInt } from '../../contract/transaction.ts'
import { concat } from '../../core/bytes.ts'
import { readBounded } from '../../runtime/read-bounded.ts'
import type { PeerPost } from './deliver.ts'

const ANSWER_MS_MAX = 15_000
const ANSWER_BYTES_MAX = 64 * 1024

/** Submits to another overlay host, as any client would. */
export const postToPeer: PeerPost = async (host, beef, topics, offChainValues) => {
  const response = await fetch(new URL('/submit', host), {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
    headers: {
      'Content-Type': 'application/octet-stream',
      'X-Topics': JSON.stringify(topics),
      ...(offChainValues !== undefined && { 'x-includes-off-chain-values': 'true' }),
    },
    body: Uint8Array.from(
      offChainValues === undefined ? beef : concat(varInt(beef.length), beef, offChainValues),
    ),
  })
  const answer = new TextDecoder().decode(await readBounded(response, ANSWER_BYTES_MAX))
  // A host that hosts none of these topics, or finds fault with it, will not change its mind by being asked again;
  // but which of the two it is, its answer does not say in a way that hosts agree on. So it is asked again, slowly.
  if (!response.ok) throw new Error(`${host} answered ${response.status}: ${answer.slice(0, 200)}`)
}
