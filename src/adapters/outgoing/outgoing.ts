import { setMaxListeners } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { concatAll } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import { judgedLookup } from '../../runtime/addresses/judged-lookup.ts'
import { isLoopback, whyNotPublic } from '../../runtime/addresses/public-address.ts'
import { type ResolveHost, resolveByDns, resolveBySystem } from '../../runtime/addresses/resolve-host.ts'
import { readOutgoingUrl } from './read-outgoing-url.ts'

/** A call to an address that came from an advert or from a user, and that nobody here has vouched for. */
export type Outgoing = (url: string, request?: OutgoingRequest) => Promise<OutgoingAnswer>

export type OutgoingRequest = {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly answerBytesMax?: number
  /** Nothing rests on what the answer's body says: one that is longer is cut off, and it may come in any form. */
  readonly mayCutAnswer?: boolean
  /** From the call to the last byte of the answer, finding the host included. */
  readonly answerMsMax?: number
  /** The caller has no more use for the answer. */
  readonly stop?: AbortSignal
}

/** Whatever its status; a redirection is none, and throws, as nothing is followed. */
export type OutgoingAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

export type OutgoingOptions = {
  /** `local`: loopback may be called, also without TLS. */
  readonly network: Network
  /** The operator has named whom these calls go to: also inside, and without TLS. All other bounds hold. */
  readonly isVouchedFor?: boolean
  readonly resolve?: ResolveHost
  readonly socketsPerHostMax?: number
  readonly socketsMax?: number
}

/** Nothing was called, or no answer came that can be used. */
export class OutgoingError extends Error {
  readonly host: string
  /** Of an answer that cannot be used; undefined where there was none. */
  readonly status: number | undefined

  constructor(host: string, why: string, options?: ErrorOptions) {
    super(`${host}: ${why}`, options)
    this.name = 'OutgoingError'
    this.host = host
    this.status = options?.cause instanceof UnusableAnswer ? options.cause.status : undefined
  }
}

class UnusableAnswer extends Error {
  readonly status: number

  constructor(status: number, why: string) {
    super(why)
    this.status = status
  }
}

/** A BEEF and its off-chain values, each of the greatest length. */
export const REQUEST_BYTES_MAX = 16 * 1024 * 1024
export const ANSWER_BYTES_MAX = 1024 * 1024
export const ANSWER_MS_MAX = 15_000
export const SOCKETS_PER_HOST_MAX = 8
export const SOCKETS_MAX = 256
const HEADER_BYTES_MAX = 16 * 1024
const SOCKET_IDLE_MS_MAX = 30_000

/**
 * Calls that cannot be turned against whoever makes them: the address is judged when the socket is opened, so a name
 * that resolves to something else a moment later gains nothing; and what comes back is bounded.
 */
export function openOutgoing({
  network,
  isVouchedFor = false,
  resolve = isVouchedFor ? resolveBySystem : resolveByDns,
  socketsPerHostMax = SOCKETS_PER_HOST_MAX,
  socketsMax = SOCKETS_MAX,
}: OutgoingOptions): Outgoing {
  const againstAddress = (address: string, isPlain: boolean): string | undefined => {
    if (isVouchedFor || (network === 'local' && isLoopback(address))) return undefined
    return isPlain ? 'which is not loopback, so it is only called over https' : whyNotPublic(address)
  }
  const pool = {
    keepAlive: true,
    maxSockets: socketsPerHostMax,
    maxTotalSockets: socketsMax,
    maxFreeSockets: 1,
    timeout: SOCKET_IDLE_MS_MAX,
  }
  const lookup = (isPlain: boolean) => judgedLookup(resolve, address => againstAddress(address, isPlain))
  const agents = {
    http: new http.Agent({ ...pool, lookup: lookup(true) }),
    https: new https.Agent({ ...pool, lookup: lookup(false) }),
  }

  return async (url, request = {}) => {
    const target = readOutgoingUrl(url, { mayBePlain: isVouchedFor || network === 'local' })
    if (!target.ok) throw new OutgoingError(target.host, target.why)
    const { host, isPlain, hostname } = target
    // What is an address already is not looked up.
    const against = isIP(hostname) === 0 ? undefined : againstAddress(hostname, isPlain)
    if (against !== undefined) throw new OutgoingError(host, `is not called: it is ${hostname}, ${against}`)
    refuseRequest(host, request)
    const { answerMsMax = ANSWER_MS_MAX, stop } = request
    const ended = new AbortController()
    const end = () => ended.abort()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      end()
    }, answerMsMax)
    // One signal stops as many calls as there are.
    if (stop !== undefined) setMaxListeners(0, stop)
    stop?.addEventListener('abort', end)
    if (stop?.aborted === true) end()
    try {
      return await exchange(target.url, request, isPlain ? agents.http : agents.https, ended.signal)
    } catch (error) {
      const why = isLate ? `no whole answer within ${answerMsMax} ms` : reasonOf(error)
      throw new OutgoingError(host, why, { cause: error })
    } finally {
      clearTimeout(timer)
      stop?.removeEventListener('abort', end)
    }
  }
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']
/** These say how a message is carried, which is not the caller's to say. */
const carriage =
  /^(host|connection|keep-alive|content-length|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|proxy-.*)$/i

function refuseRequest(host: string, { method = 'GET', headers = {}, body }: OutgoingRequest): void {
  if (!methods.includes(method)) throw new OutgoingError(host, `is not called with "${method.slice(0, 20)}"`)
  const odd = Object.keys(headers).find(name => carriage.test(name))
  if (odd !== undefined)
    throw new OutgoingError(host, `is not called with a header ${odd} of the caller's own`)
  if ((body?.length ?? 0) > REQUEST_BYTES_MAX)
    throw new OutgoingError(host, `is not sent ${body?.length} bytes; at most ${REQUEST_BYTES_MAX} are`)
}

function exchange(
  url: URL,
  request: OutgoingRequest,
  agent: http.Agent,
  signal: AbortSignal,
): Promise<OutgoingAnswer> {
  const { method = 'GET', headers = {}, body } = request
  return new Promise((resolve, reject) => {
    const sent = (agent instanceof https.Agent ? https : http).request(url, {
      agent,
      method,
      signal,
      maxHeaderSize: HEADER_BYTES_MAX,
      headers: {
        ...headers,
        // What is packed tightly says nothing about how much comes out.
        'accept-encoding': 'identity',
        ...(body !== undefined && { 'content-length': String(body.length) }),
      },
    })
    let isAnswered = false
    sent.on('response', response => {
      isAnswered = true
      readAnswer(response, request).then(resolve, reject)
    })
    // An answer that came before the body was all sent is an answer.
    sent.on('error', error => isAnswered || reject(error))
    sent.on('close', () => isAnswered || reject(new Error('hung up without an answer')))
    sent.end(body)
  })
}

async function readAnswer(
  response: IncomingMessage,
  { answerBytesMax: bytesMax = ANSWER_BYTES_MAX, mayCutAnswer = false }: OutgoingRequest,
): Promise<OutgoingAnswer> {
  const status = response.statusCode ?? 0
  const against = againstAnswer(response, status, mayCutAnswer ? undefined : bytesMax)
  if (against !== undefined) {
    response.destroy()
    throw new UnusableAnswer(status, against)
  }
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response) {
    length += part.length
    parts.push(part)
    // Leaving the loop hangs up.
    if (length > bytesMax && mayCutAnswer) break
    if (length > bytesMax) throw new UnusableAnswer(status, tooLong(bytesMax))
  }
  const body = concatAll(parts)
  if (length > bytesMax) return { status, headers: headersOf(response), body: body.subarray(0, bytesMax) }
  if (!response.complete) throw new UnusableAnswer(status, 'hung up in the middle of its answer')
  return { status, headers: headersOf(response), body }
}

const redirections = [300, 301, 302, 303, 307, 308]

function againstAnswer(
  { headers }: IncomingMessage,
  status: number,
  bytesMax: number | undefined,
): string | undefined {
  if (redirections.includes(status)) return `answers ${status}, and redirections are not followed`
  if (bytesMax === undefined) return undefined
  const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = headers
  if (encoding.toLowerCase() !== 'identity') return 'answers in a compressed form, which was not asked for'
  return Number(length) > bytesMax ? tooLong(bytesMax) : undefined
}

function tooLong(bytesMax: number): string {
  return `the answer is longer than ${bytesMax} bytes`
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, values = []] of Object.entries(headersDistinct))
    for (const value of values) headers.append(name, value)
  return headers
}

function reasonOf(error: unknown): string {
  // Of several addresses, each with its own error and none in the message.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
