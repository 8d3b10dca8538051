import * as z from 'zod'
import { knownHex, utf8 } from '../core/bytes.ts'
import { digest } from '../core/digest.ts'
import type { Outcome } from '../core/fault.ts'
import { stages } from '../core/rounds/template.ts'
import { bySchema, hex } from '../core/schema.ts'
import { signDetached, verifyDetached } from './keys.ts'

/*
 * How an agent without a public address gets its jobs: over a WebSocket that it opens at a node. Each proves its key over
 * the other's nonce: `challenge` (node), `subscribe` (agent), `subscribed` (node); then the node sends a JobOffer per
 * seat, and the agent says `steak` for each. Work and results go to the node over HTTP, as from every agent.
 */

export const SUBSCRIBE_PATH = '/agents/subscribe'

export type Challenge = z.output<typeof challenge>
export type Subscribe = z.output<typeof subscribe>
export type Subscribed = z.output<typeof subscribed>
export type OfferSteak = z.output<typeof offerSteak>

export function readChallenge(message: unknown): Outcome<Challenge> {
  return bySchema(challenge, message, 'message-invalid', 'not a challenge')
}

export function readSubscribe(message: unknown): Outcome<Subscribe> {
  return bySchema(subscribe, message, 'message-invalid', 'not a subscription')
}

export function readSubscribed(message: unknown): Outcome<Subscribed> {
  return bySchema(subscribed, message, 'message-invalid', 'not the answer to a subscription')
}

export function readOfferSteak(message: unknown): Outcome<OfferSteak> {
  return bySchema(offerSteak, message, 'message-invalid', 'not the answer to a job offer')
}

/** What an agent proves its key over. */
export type Subscription = Pick<Subscribe, 'agentKey' | 'topic' | 'nonce'> & { readonly challenge: Challenge }

export function signSubscription(agentPrivateKey: Uint8Array, subscription: Subscription): Uint8Array {
  return signDetached(agentPrivateKey, protocol, subscription.challenge.nonce, statement(subscription))
}

export function verifySubscription(subscription: Subscription, signature: Uint8Array): boolean {
  const { agentKey, challenge } = subscription
  return verifyDetached(knownHex(agentKey), protocol, challenge.nonce, statement(subscription), signature)
}

/** The node's answer, over the agent's nonce. */
export function signSubscribed(nodePrivateKey: Uint8Array, subscription: Subscription): Uint8Array {
  return signDetached(nodePrivateKey, protocol, subscription.nonce, statement(subscription))
}

export function verifySubscribed(subscription: Subscription, signature: Uint8Array): boolean {
  const { nonce, challenge } = subscription
  return verifyDetached(knownHex(challenge.nodeKey), protocol, nonce, statement(subscription), signature)
}

const protocol = 'gitdata agent subscription'

function statement({ agentKey, topic, nonce, challenge }: Subscription): Uint8Array {
  return digest(
    'assay:subscription:1',
    knownHex(challenge.nodeKey),
    knownHex(agentKey),
    knownHex(challenge.nonce),
    knownHex(nonce),
    utf8(topic),
  )
}

const signature = z.string().regex(/^(?:[0-9a-f]{2}){8,72}$/, 'not a signature in lower-case hex')

const challenge = z.strictObject({ type: z.literal('challenge'), nodeKey: hex(33), nonce: hex(32) })

const subscribe = z.strictObject({
  type: z.literal('subscribe'),
  agentKey: hex(33),
  topic: z.enum(stages.map(stage => `gitdata.events.${stage}` as const)),
  nonce: hex(32),
  signature,
})

const subscribed = z.strictObject({ type: z.literal('subscribed'), signature })

/** Whether the seat is taken: an agent answers an offer as it answers a submission. */
const offerSteak = z.strictObject({
  type: z.literal('steak'),
  jobTx: hex(32),
  seat: z.int().min(0),
  taken: z.boolean(),
  why: z.string().max(500).optional(),
})
