import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { concatAll } from '../../src/core/bytes.ts'
import { judgedLookup } from '../../src/runtime/addresses/judged-lookup.ts'
import { isLoopback, whyNotPublic } from '../../src/runtime/addresses/public-address.ts'
import { resolveByDns } from '../../src/runtime/addresses/resolve-host.ts'
import { withAnyOf } from '../../src/runtime/with-any-of.ts'

/** One HTTP request, over connections that are kept. Resolves whatever the status; rejects where there is no whole answer. */
export type Call = (url: string, request?: CallRequest) => Promise<CallAnswer>

export type CallRequest = {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** A longer body is hung up on before it is read. */
  readonly answerBytesMax?: number
  /** From the call to the last byte of the answer. */
  readonly answerMsMax?: number
  readonly stop?: AbortSignal
}

export type CallAnswer = {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Uint8Array
}

export const ANSWER_BYTES_MAX = 1024 * 1024
export const ANSWER_MS_MAX = 30_000
const SOCKETS_MAX = 32

export type CallsOptions = {
  /** Base URLs that whoever runs the agent has named: they are called wherever they are. */
  readonly nodes: readonly string[]
  /** On a local chain all of it may be on one machine. */
  isLocal(): boolean
}

/**
 * Jobs name addresses, and who makes jobs need not mean well: nothing inside is called for them. An address is judged as
 * the socket is opened, so a name that resolves to something else a moment later gains nothing.
 */
export function openCalls({ nodes, isLocal }: CallsOptions): { readonly call: Call; close(): void } {
  const vouchedFor = new Set(nodes.map(node => new URL(node).origin))
  const against = (address: string) => {
    const why = isLocal() && isLoopback(address) ? undefined : whyNotPublic(address)
    return why && `${why}; list its URL in AGENT_NODES if it is to be`
  }
  const options = { keepAlive: true, maxSockets: SOCKETS_MAX }
  const judged = { ...options, lookup: judgedLookup(resolveByDns, against) }
  const own = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }
  const others = { 'http:': new http.Agent(judged), 'https:': new https.Agent(judged) }
  return {
    async call(url, request = {}) {
      const target = new URL(url)
      const { protocol, origin } = target
      if (protocol !== 'https:' && protocol !== 'http:')
        throw new Error(`${protocol} is not called; http and https are`)
      const isOwn = vouchedFor.has(origin)
      // What is an address already is not looked up.
      const hostname = target.hostname.replace(/^\[|\]$/g, '')
      const why = isOwn || isIP(hostname) === 0 ? undefined : against(hostname)
      if (why !== undefined) throw new Error(`${origin} is not called: it is ${hostname}, ${why}`)
      return exchange(target, protocol === 'https:' ? https : http, (isOwn ? own : others)[protocol], request)
    },
    close() {
      for (const agent of [...Object.values(own), ...Object.values(others)]) agent.destroy()
    },
  }
}

async function exchange(
  url: URL,
  over: typeof http | typeof https,
  agent: http.Agent | https.Agent,
  request: CallRequest,
): Promise<CallAnswer> {
  const { method = 'GET', headers = {}, body, answerBytesMax = ANSWER_BYTES_MAX, stop } = request
  const { answerMsMax = ANSWER_MS_MAX } = request
  const late = AbortSignal.timeout(answerMsMax)
  const length = body === undefined ? {} : { 'content-length': String(body.length) }
  try {
    return await withAnyOf([late, stop], async signal => {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const sent = over.request(url, { method, agent, signal, headers: { ...headers, ...length } })
        sent.once('response', resolve).once('error', reject)
        sent.end(body)
      })
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: await bounded(response, answerBytesMax),
      }
    })
  } catch (error) {
    const why = late.aborted ? `no whole answer within ${answerMsMax} ms` : reasonOf(error)
    throw new Error(`${method} ${url.origin}${url.pathname}: ${why}`, { cause: error })
  }
}

async function bounded(response: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const announced = Number(response.headers['content-length'] ?? 0)
  const tooLong = () => {
    response.destroy()
    return new Error(`the answer is longer than the ${bytesMax} bytes that it may have`)
  }
  if (announced > bytesMax) throw tooLong()
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response) {
    if (!(part instanceof Uint8Array)) continue
    length += part.length
    if (length > bytesMax) throw tooLong()
    parts.push(part)
  }
  if (!response.complete) throw new Error('the answer was cut off')
  return concatAll(parts)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
