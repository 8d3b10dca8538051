import { describe, expect, test } from 'vitest'
import {
  type Challenge,
  readChallenge,
  readOfferSteak,
  readSubscribe,
  readSubscribed,
  type Subscription,
  signSubscribed,
  signSubscription,
  verifySubscribed,
  verifySubscription,
} from '../../src/contract/subscription.ts'
import { toHex } from '../../src/core/bytes.ts'
import { party } from '../support/pipeline.ts'

const [node, agent, other] = [party('node'), party('agent'), party('other')]
const challenge: Challenge = { type: 'challenge', nodeKey: node.identityKey, nonce: 'a1'.repeat(32) }
const subscription: Subscription = {
  agentKey: agent.identityKey,
  topic: 'gitdata.events.normalize',
  nonce: 'b2'.repeat(32),
  challenge,
}
const ofAgent = signSubscription(agent.privateKey, subscription)
const ofNode = signSubscribed(node.privateKey, subscription)

describe('a subscription', () => {
  test('is proven by each side over the other’s nonce', () => {
    expect(verifySubscription(subscription, ofAgent)).toBe(true)
    expect(verifySubscribed(subscription, ofNode)).toBe(true)
    // Neither serves as the other.
    expect(verifySubscription(subscription, ofNode)).toBe(false)
    expect(verifySubscribed(subscription, ofAgent)).toBe(false)
  })

  test('has these bytes, which a second implementation has to come to', () => {
    expect([toHex(ofAgent), toHex(ofNode)]).toEqual([
      '3045022100e0a67ed49776274c708b8beb833225582f9df21ce721351bded092f108996d51022064d833388aa9f2d42e2053001ae34513616803c8eeea93b48dacc5d7b73cc17e',
      '3044022048b247db1a88303de77cb616af522b2be4b7ab42095ade12545be6b4991a1a020220053442aa76d065b230d931ffe7391b419287b25e52498c2e849fa4375b3ad511',
    ])
  })

  test.each<[string, Subscription]>([
    ['another agent', { ...subscription, agentKey: other.identityKey }],
    ['another topic', { ...subscription, topic: 'gitdata.events.certify' }],
    ['another nonce of the agent', { ...subscription, nonce: 'b3'.repeat(32) }],
    ['another connection', { ...subscription, challenge: { ...challenge, nonce: 'a2'.repeat(32) } }],
    ['another node', { ...subscription, challenge: { ...challenge, nodeKey: other.identityKey } }],
  ])('holds for %s no more', (_, changed) => {
    expect(verifySubscription(changed, ofAgent)).toBe(false)
    expect(verifySubscribed(changed, ofNode)).toBe(false)
  })
})

describe('the messages of a subscription', () => {
  const subscribe = { type: 'subscribe', agentKey: agent.identityKey, nonce: 'b2'.repeat(32) }
  const steak = { type: 'steak', jobTx: 'c3'.repeat(32), seat: 2, taken: false, why: 'full' }
  const said = { ...subscribe, topic: 'gitdata.events.validate', signature: toHex(ofAgent) }

  test('are read as they were written', () => {
    expect(readChallenge(challenge)).toEqual({ ok: true, value: challenge })
    expect(readSubscribe(said)).toEqual({ ok: true, value: said })
    const answer = { type: 'subscribed', signature: toHex(ofNode) }
    expect(readSubscribed(answer)).toEqual({ ok: true, value: answer })
    expect(readOfferSteak(steak)).toEqual({ ok: true, value: steak })
  })

  test.each<[string, (message: unknown) => { ok: boolean }, unknown]>([
    ['a short nonce', readChallenge, { ...challenge, nonce: 'a1' }],
    ['a member too many', readChallenge, { ...challenge, at: 1 }],
    ['upper case', readSubscribe, { ...said, nonce: 'B2'.repeat(32) }],
    ['a topic without jobs', readSubscribe, { ...said, topic: 'gitdata.events.ingest' }],
    ['the name of an overlay topic', readSubscribe, { ...said, topic: 'tm_gitdata_events_normalize' }],
    ['no signature', readSubscribed, { type: 'subscribed', signature: '' }],
    ['half a byte', readSubscribed, { type: 'subscribed', signature: `${toHex(ofNode)}a` }],
    ['a seat below the first', readOfferSteak, { ...steak, seat: -1 }],
    ['a long story', readOfferSteak, { ...steak, why: 'x'.repeat(501) }],
    ['nothing', readOfferSteak, null],
  ])('with %s are refused', (_, read, message) => {
    expect(read(message)).toMatchObject({ ok: false, fault: { code: 'message-invalid' } })
  })
})
