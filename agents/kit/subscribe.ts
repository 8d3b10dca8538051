import { randomBytes } from 'node:crypto'
import { type RawData, WebSocket } from 'ws'
import { readJobOffer } from '../../src/contract/messages.ts'
import {
  type OfferSteak,
  readChallenge,
  readSubscribed,
  SUBSCRIBE_PATH,
  type Subscription,
  signSubscription,
  verifySubscribed,
} from '../../src/contract/subscription.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { knownHex, toHex } from '../../src/core/bytes.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { backOff } from '../../src/runtime/back-off.ts'
import { pause } from '../../src/runtime/pause.ts'
import type { OfferOutcome, TakeOffer } from './take-offer.ts'

export type SubscribeOptions = {
  /** Base URL of the node. */
  readonly node: string
  readonly kind: Stage
  readonly key: Issuer
  readonly takeOffer: TakeOffer
  /** Why a connection ended, or was not to be had; another is opened after a while. */
  onLost(error: Error): void
  readonly heartbeatMs?: number
  readonly againMs?: number
}

export type OpenSubscription = {
  /** Resolves once the node has proven its key and sends jobs. */
  readonly subscribed: Promise<void>
  isOpen(): boolean
  stop(): Promise<void>
}

export const HEARTBEAT_MS = 15_000
const AGAIN_MS = 500
const AGAIN_MS_MAX = 30_000
const HANDSHAKE_MS_MAX = 10_000
/** A BEEF in base64, and the JSON around it. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024

/** Jobs over a WebSocket that the agent opens itself; opened again whenever it ends, until it is stopped. */
export function subscribe(options: SubscribeOptions): OpenSubscription {
  const stopping = new AbortController()
  let isOpen = false
  let whenSubscribed = () => {}
  const subscribed = new Promise<void>(resolve => {
    whenSubscribed = resolve
  })
  const run = async () => {
    for (let failures = 1; !stopping.signal.aborted; failures++) {
      const proven = () => {
        isOpen = true
        failures = 0
        whenSubscribed()
      }
      try {
        await connection(options, stopping.signal, proven)
      } catch (error) {
        options.onLost(error instanceof Error ? error : new Error(String(error)))
      }
      isOpen = false
      if (stopping.signal.aborted) return
      const { againMs: firstMs = AGAIN_MS } = options
      // Agents that lost a node together must not all come back at one moment.
      const waitMs = backOff(Math.max(failures, 1), { firstMs, longestMs: AGAIN_MS_MAX })
      await pause((0.5 + Math.random() / 2) * waitMs, stopping.signal)
    }
  }
  const running = run()
  return {
    subscribed,
    isOpen: () => isOpen,
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** One connection, from its opening to its end. Rejects where it was not we who ended it. */
async function connection(options: SubscribeOptions, stop: AbortSignal, onProven: () => void): Promise<void> {
  const { node, heartbeatMs = HEARTBEAT_MS } = options
  const url = `${node.replace(/^http/, 'ws').replace(/\/$/, '')}${SUBSCRIBE_PATH}`
  const socket = new WebSocket(url, {
    handshakeTimeout: HANDSHAKE_MS_MAX,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  })
  const talk = openTalk(options, onProven)
  let isAlive = true
  let isProven = false
  const heartbeat = setInterval(() => {
    if (!isAlive || !isProven) return void socket.terminate()
    isAlive = false
    socket.ping()
  }, heartbeatMs)
  const end = () => socket.close(GOING_AWAY)
  stop.addEventListener('abort', end)
  let failure: Error | undefined
  const fail = (error: Error) => {
    failure ??= error
    socket.terminate()
  }
  socket.on('pong', () => {
    isAlive = true
  })
  socket.on('message', data => {
    isAlive = true
    try {
      const said = talk(messageIn(data))
      isProven ||= said === 'proven'
      if (typeof said === 'object') socket.send(JSON.stringify(said))
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)))
    }
  })
  socket.on('error', fail)
  try {
    const code = await new Promise<number>(resolve => socket.once('close', resolve))
    if (failure !== undefined) throw failure
    if (!stop.aborted) throw new Error(`${url} ended the subscription (${code})`)
  } finally {
    clearInterval(heartbeat)
    stop.removeEventListener('abort', end)
  }
}

const GOING_AWAY = 1001

type Said = object | 'proven' | undefined

/** What is answered to each message of the node, in the order in which they have to come. */
function openTalk(
  { kind, key, takeOffer }: SubscribeOptions,
  onProven: () => void,
): (message: unknown) => Said {
  let proof: Subscription | undefined
  let isProven = false
  return message => {
    if (proof === undefined) {
      const challenge = readChallenge(message)
      if (!challenge.ok) throw new Error(challenge.fault.detail)
      const { identityKey: agentKey, privateKey } = key
      const said = { agentKey, topic: `gitdata.events.${kind}` as const, nonce: toHex(randomBytes(32)) }
      proof = { ...said, challenge: challenge.value }
      return { type: 'subscribe', ...said, signature: toHex(signSubscription(privateKey, proof)) }
    }
    if (!isProven) {
      const subscribed = readSubscribed(message)
      if (!subscribed.ok) throw new Error(subscribed.fault.detail)
      if (!verifySubscribed(proof, knownHex(subscribed.value.signature)))
        throw new Error(`the node has not proven the key ${proof.challenge.nodeKey} that it names`)
      isProven = true
      onProven()
      return 'proven'
    }
    const offer = readJobOffer(message)
    // Messages that are still to be thought of are none of an older agent's business.
    if (!offer.ok) return undefined
    const { beef, seat } = offer.value
    return steakOf(takeOffer(new Uint8Array(Buffer.from(beef, 'base64'))), seat)
  }
}

function steakOf(outcome: OfferOutcome, seat: number): OfferSteak | undefined {
  // Without a transaction nobody could tell which offer is meant.
  if (outcome.jobTx === undefined) return undefined
  const said = { type: 'steak' as const, jobTx: outcome.jobTx }
  if (outcome.kind === 'taken') return { ...said, seat: outcome.seat, taken: true }
  const why = outcome.kind === 'busy' ? outcome.why : outcome.fault.detail
  return { ...said, seat, taken: false, why: why.slice(0, WHY_CHARS_MAX) }
}

const WHY_CHARS_MAX = 500

function messageIn(data: RawData): unknown {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
  return JSON.parse(bytes.toString('utf8'))
}
