import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Pool } from 'pg'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { baseTopics } from '../../contract/names.ts'
import {
  type Challenge,
  type OfferSteak,
  readOfferSteak,
  readSubscribe,
  signSubscribed,
  verifySubscription,
} from '../../contract/subscription.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { knownHex, toHex } from '../../core/bytes.ts'
import { type Stage, stages } from '../../core/rounds/template.ts'
import { repeat } from '../../runtime/repeat.ts'
import { bytea, byteas } from '../postgres/sql.ts'
import { ANSWER_MS_MAX, type HeldHere } from './due-seats.ts'
import { OfferedAlready, SilentAgent } from './offer-errors.ts'
import { openPlaces, type Place, type PlaceLimits } from './places.ts'

/** Connections of agents that have no address of their own, at this process. */
export type Subscriptions = {
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void
  held(): readonly HeldHere[]
  /** Resolves with what the agent says to it; rejects where it says nothing in time, or has gone: with SilentAgent where nothing was sent. */
  push(
    offer: { agentKey: string; stage: Stage; jobTx: string; vout: number },
    beef: Uint8Array,
  ): Promise<OfferSteak>
  stop(): Promise<void>
}

export type SubscriptionsDeps = {
  readonly pool: Pool
  /** Of the node: it proves it to agents. */
  readonly identity: Issuer
  /** Names this process. */
  readonly node: string
  now(): number
  /** An agent has come, or gone. */
  onChange(): void
  onFailure(error: unknown): void
  /** Agents that seats may be given to. Keys cost nothing, and whoever has nothing but one makes room for others. */
  listed(): ReadonlySet<string>
  /** Where a request comes from; its socket's other end, where nothing is said. */
  addressOf?(request: IncomingMessage): string | undefined
  readonly limits?: Partial<SubscriptionLimits>
}

export type SubscriptionLimits = PlaceLimits & {
  readonly handshakeMsMax: number
  /** What an agent sends are a few short texts. */
  readonly messageBytesMax: number
  readonly answerMsMax: number
  /** Whoever has not answered the one ping by the next is gone. */
  readonly pingMs: number
  /** Of what waits for an agent to read it. */
  readonly unreadBytesMax: number
}

export const subscriptionLimits: SubscriptionLimits = {
  connectionsMax: 256,
  perAddressMax: 64,
  strangersMax: 64,
  strangersPerAddressMax: 16,
  handshakeMsMax: 3_000,
  messageBytesMax: 4 * 1024,
  answerMsMax: ANSWER_MS_MAX,
  pingMs: 15_000,
  unreadBytesMax: 8 * 1024 * 1024,
}

/** A row stands this long after its process was last heard of; and is renewed in time. */
const ROW_MS = 10_000
const RENEW_MS = 3_000
/** Rows of processes that have not come back are gone by then. */
const ROW_FORGOTTEN_MS = 60_000

export function openSubscriptions(deps: SubscriptionsDeps): Subscriptions {
  const { pool, identity, node, now, onChange, onFailure, listed } = deps
  const { addressOf = request => request.socket.remoteAddress } = deps
  const limits = { ...subscriptionLimits, ...deps.limits }
  const places = openPlaces(limits)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.messageBytesMax,
    perMessageDeflate: false,
  })
  const proven = new Map<string, Connection>()
  const waiting = new Map<string, Waiting>()
  let stopping = false

  const renewing = repeat(
    async () => {
      if (proven.size > 0) await writeRows(pool, [...proven.values()], node, now())
      await forgetRows(pool, now() - ROW_FORGOTTEN_MS)
    },
    { everyMs: RENEW_MS, onFailure },
  )

  const converse = (socket: WebSocket, place: Place) => {
    const challenge: Challenge = {
      type: 'challenge',
      nodeKey: identity.identityKey,
      nonce: toHex(randomBytes(32)),
    }
    let connection: Connection | undefined
    let isAlive = true
    const tooLate = setTimeout(() => refuse(socket, 'no proof of a key in time'), limits.handshakeMsMax)
    const pinging = setInterval(() => {
      if (!isAlive) return socket.terminate()
      isAlive = false
      socket.ping()
    }, limits.pingMs)
    socket.on('pong', () => {
      isAlive = true
    })
    socket.on('message', data => {
      // Whom we have turned away may go on talking until it has heard of it.
      if (socket.readyState !== socket.OPEN) return
      if (connection !== undefined) return hearSteak(data, connection)
      const subscription = subscriptionIn(data, challenge)
      if (typeof subscription === 'string') return refuse(socket, subscription)
      clearTimeout(tooLate)
      place.proven()
      connection = { socket, place, agentKey: subscription.agentKey, stage: subscription.stage }
      void subscribed(connection, subscription.signature(identity)).catch(error => {
        onFailure(error)
        refuse(socket, 'try again later', TRY_AGAIN_LATER)
      })
    })
    // Whatever is wrong with it, it is closed by itself after this.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(tooLate)
      clearInterval(pinging)
      if (connection !== undefined) void gone(connection).catch(onFailure)
    })
    socket.send(JSON.stringify(challenge))
  }

  /** Its row stands before it is told so: from then on it waits for jobs. */
  const subscribed = async (connection: Connection, signature: string) => {
    const { socket } = connection
    const earlier = proven.get(nameOf(connection))
    proven.set(nameOf(connection), connection)
    // An agent that comes again has lost the connection that we still see.
    if (earlier !== undefined) refuse(earlier.socket, 'the agent has connected again')
    await writeRows(pool, [connection], node, now())
    if (socket.readyState !== socket.OPEN) {
      // It was gone before its row stood; another connection of the agent may have written one since.
      if (!proven.has(nameOf(connection))) await removeRow(pool, connection, node)
      return
    }
    socket.send(JSON.stringify({ type: 'subscribed', signature }))
    onChange()
  }

  const gone = async (connection: Connection) => {
    for (const [name, offer] of waiting)
      if (offer.connection === connection) settle(name, offer, new Error('the agent has hung up'))
    if (proven.get(nameOf(connection)) !== connection) return
    proven.delete(nameOf(connection))
    await removeRow(pool, connection, node)
    onChange()
  }

  /** Those that came first: they have had the time to be listed. */
  const makeRoom = () => {
    const known = listed()
    const idle = [...proven.values()].find(({ agentKey }) => !known.has(agentKey))
    if (idle === undefined) return
    // Without a word: one that does not answer the close would stay beyond its place.
    idle.socket.terminate()
    idle.place.leave()
    void gone(idle).catch(onFailure)
  }

  const hearSteak = (data: RawData, connection: Connection) => {
    const steak = readOfferSteak(parsed(data))
    if (!steak.ok) return refuse(connection.socket, steak.fault.detail)
    const name = offerName(steak.value.jobTx, steak.value.seat)
    const offer = waiting.get(name)
    // Too late, or about another one's seat: nobody waits for it.
    if (offer?.connection === connection) settle(name, offer, steak.value)
  }

  const settle = (name: string, offer: Waiting, said: OfferSteak | Error) => {
    waiting.delete(name)
    clearTimeout(offer.tooLate)
    if (said instanceof Error) offer.reject(said)
    else offer.resolve(said)
  }

  return {
    take(request, socket, head) {
      if (!stopping && places.isFull()) makeRoom()
      const place = stopping ? undefined : places.enter(addressOf(request))
      if (place === undefined)
        return void socket.end(
          'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\r\n',
        )
      // Also where it is no WebSocket after all.
      socket.on('close', place.leave)
      server.handleUpgrade(request, socket, head, connected => converse(connected, place))
    },
    held: () => [...proven.values()].map(({ agentKey, stage }) => ({ agentKey, stage })),
    async push({ agentKey, stage, jobTx, vout }, beef) {
      const connection = proven.get(nameOf({ agentKey, stage }))
      if (connection === undefined) throw new SilentAgent('the agent has hung up', { wasCalled: false })
      const { socket } = connection
      if (socket.bufferedAmount > limits.unreadBytesMax)
        throw new SilentAgent(`the agent has left ${socket.bufferedAmount} bytes unread`, {
          wasCalled: false,
        })
      const name = offerName(jobTx, vout)
      if (waiting.has(name)) throw new OfferedAlready('the seat is being offered already')
      return new Promise((resolve, reject) => {
        const tooLate = setTimeout(
          () => settle(name, offer, new Error(`the agent has said nothing within ${limits.answerMsMax} ms`)),
          limits.answerMsMax,
        )
        const offer: Waiting = { connection, tooLate, resolve, reject }
        waiting.set(name, offer)
        socket.send(JSON.stringify({ type: 'job', beef: Buffer.from(beef).toString('base64'), seat: vout }))
      })
    },
    async stop() {
      stopping = true
      await renewing.stop()
      const all = [...proven.values()]
      for (const socket of server.clients) socket.close(GOING_AWAY)
      for (const connection of all) await gone(connection)
      // A client that does not answer the close must not keep us.
      for (const socket of server.clients) socket.terminate()
    },
  }
}

type Connection = HeldHere & { readonly socket: WebSocket; readonly place: Place }
type Waiting = {
  readonly connection: Connection
  readonly tooLate: NodeJS.Timeout
  resolve(steak: OfferSteak): void
  reject(error: Error): void
}

const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const TRY_AGAIN_LATER = 1013
/** Of the frame that closes a connection: it has room for 123 bytes. */
const REASON_CHARS_MAX = 100

function refuse(socket: WebSocket, why: string, code = POLICY_VIOLATION): void {
  socket.close(code, why.replace(/[^ -~]/g, '?').slice(0, REASON_CHARS_MAX))
}

function nameOf({ agentKey, stage }: HeldHere): string {
  return `${agentKey} ${stage}`
}

function offerName(jobTx: string, vout: number): string {
  return `${jobTx}.${vout}`
}

/** Who subscribes to what, or what is wrong with the request. */
function subscriptionIn(data: RawData, challenge: Challenge) {
  const read = readSubscribe(parsed(data))
  if (!read.ok) return read.fault.detail
  const { agentKey, topic, nonce, signature } = read.value
  const subscription = { agentKey, topic, nonce, challenge }
  if (!verifySubscription(subscription, knownHex(signature)))
    return 'the signature is not this key’s over the challenge of this connection'
  const stage = stages.find(each => topic === `gitdata.events.${each}`)
  if (stage === undefined) return `there are no jobs for ${topic}`
  return {
    ...{ agentKey, stage },
    signature: (node: Issuer) => toHex(signSubscribed(node.privateKey, subscription)),
  }
}

function parsed(data: RawData): unknown {
  try {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // Not JSON, which no message is.
    return undefined
  }
}

async function writeRows(pool: Pool, held: readonly HeldHere[], node: string, nowMs: number): Promise<void> {
  await pool.query({
    name: 'agents-subscribed',
    text: `insert into agent_subscriptions as held (agent_key, topic, node, until_ms, since_ms)
        select agent_key, topic, $3, $4, $5 from unnest($1::bytea[], $2::text[]) as given (agent_key, topic)
      on conflict (agent_key, topic) do update set until_ms = excluded.until_ms, node = excluded.node,
        since_ms = case when held.node = excluded.node then held.since_ms else excluded.since_ms end`,
    values: [
      byteas(held.map(({ agentKey }) => agentKey)),
      held.map(({ stage }) => baseTopics[stage]),
      ...[node, nowMs + ROW_MS, nowMs],
    ],
  })
}

async function removeRow(pool: Pool, { agentKey, stage }: HeldHere, node: string): Promise<void> {
  await pool.query({
    name: 'agents-unsubscribed',
    text: 'delete from agent_subscriptions where agent_key = $1 and topic = $2 and node = $3',
    values: [bytea(agentKey), baseTopics[stage], node],
  })
}

async function forgetRows(pool: Pool, beforeMs: number): Promise<void> {
  await pool.query({
    name: 'agents-forget-subscriptions',
    text: 'delete from agent_subscriptions where until_ms < $1',
    values: [beforeMs],
  })
}
