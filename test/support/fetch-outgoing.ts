import type { Outgoing, OutgoingRequest } from '../../src/adapters/outgoing/outgoing.ts'
import { readBounded } from '../../src/runtime/read-bounded.ts'

/** Calls out with fetch, wherever to, and remembers what was sent. */
export function fetchOutgoing(): {
  readonly outgoing: Outgoing
  readonly sent: (OutgoingRequest & { readonly url: string })[]
} {
  const sent: (OutgoingRequest & { readonly url: string })[] = []
  return {
    sent,
    async outgoing(url, request = {}) {
      sent.push({ url, ...request })
      const { method = 'GET', headers = {}, body, answerBytesMax = 1e6, answerMsMax = 60_000 } = request
      const response = await fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(answerMsMax),
        ...(body !== undefined && { body }),
      })
      return {
        status: response.status,
        headers: response.headers,
        body: await readBounded(response, answerBytesMax),
      }
    },
  }
}
