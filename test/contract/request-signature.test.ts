import { createPrivateKey, sign as nodeSign } from 'node:crypto'
import { PrivateKey, Signature } from '@bsv/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sign } from '../../src/contract/curve.node.ts'
import { type SignableRequest, signRequest, verifyRequest } from '../../src/contract/request-signature.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { digest } from '../../src/core/digest.ts'
import { sha256 } from '../../src/core/sha256.node.ts'
import { party } from '../support/pipeline.ts'

const sender = party('sender')
const sentMs = 1_700_000_000_123
const request: SignableRequest = {
  method: 'POST',
  path: '/ingest/events?stream=a',
  nonce: `${sentMs}456789`,
  body: utf8('{"events":[]}'),
}
const window = { nowMs: sentMs, windowSeconds: 300 }

function verify(version: 1 | 2, signature: string, change: object = {}, at = window) {
  return verifyRequest({ ...request, version, identityKey: sender.identityKey, signature, ...change }, at)
}

describe.each([1, 2] as const)('a signed request of version %i', version => {
  const signature = signRequest(request, version, sender.privateKey)

  test('is accepted, and names the pair to remember until its window closes', () => {
    expect(verify(version, signature)).toEqual({
      ok: true,
      value: { identityKey: sender.identityKey, nonce: request.nonce, untilMs: sentMs + 300_000 },
    })
  })

  test('is refused for another body, nonce or key', () => {
    const changes = [
      { body: utf8('{"events":[1]}') },
      { nonce: `${sentMs}456788` },
      { identityKey: party('x').identityKey },
    ]
    for (const change of changes)
      expect(verify(version, signature, change)).toMatchObject({ fault: { code: 'signature-invalid' } })
  })

  test('is refused outside its window, on either side', () => {
    const at = (nowMs: number) => verify(version, signature, {}, { ...window, nowMs })
    expect([at(sentMs + 300_000).ok, at(sentMs - 300_000).ok]).toEqual([true, true])
    expect(at(sentMs + 300_001)).toMatchObject({
      fault: { detail: expect.stringMatching(/seconds from this clock/) },
    })
    expect(at(sentMs - 300_001)).toMatchObject({
      fault: { detail: expect.stringMatching(/seconds from this clock/) },
    })
  })

  test('is accepted in 64 compact bytes as well', () => {
    const hash =
      version === 1
        ? sha256(Buffer.concat([request.body, utf8(request.nonce)]))
        : digest('assay:request:2', request.method, request.path, request.nonce, request.body)
    expect(verify(version, toHex(sign(hash, sender.privateKey)))).toMatchObject({ ok: true })
  })

  test('is refused with any bit of its signature flipped', () => {
    const bytes = Buffer.from(signature, 'hex')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verify(version, toHex(flipped))).toMatchObject({ ok: false })
    }
  })

  test.each([
    '',
    '1',
    `${sentMs}45678`,
    `${sentMs}4567890`,
    `${sentMs}45678x`,
    ` ${sentMs}45678`,
    `-${sentMs}45678`,
    `${sentMs}456789\n`,
  ])('is refused with the nonce %j', nonce => {
    expect(verify(version, signature, { nonce })).toMatchObject({
      fault: { detail: expect.stringMatching(/19 digits/) },
    })
  })

  test('made of noise is refused by name', () => {
    const text = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 80 }).map(toHex))
    fc.assert(
      fc.property(text, text, (identityKey, noise) => {
        expect(verify(version, noise)).toMatchObject({ fault: { code: 'signature-invalid' } })
        expect(verify(version, signature, { identityKey })).toMatchObject({
          fault: { code: 'signature-invalid' },
        })
      }),
      { numRuns: 500 },
    )
  })
})

describe('version 1', () => {
  test('covers neither method nor path, as the clients of its time expect', () => {
    const signature = signRequest(request, 1, sender.privateKey)
    expect(verify(1, signature, { method: 'PUT', path: '/other' })).toMatchObject({ ok: true })
  })

  test('is what the SDK signs: SHA-256 over body and nonce', () => {
    const key = new PrivateKey([...sender.privateKey])
    const signed = key.sign([...request.body, ...utf8(request.nonce)])
    expect(signRequest(request, 1, sender.privateKey)).toBe(signed.toDER('hex'))
    expect(Signature.fromDER(signRequest(request, 1, sender.privateKey), 'hex').toString('hex')).toBe(
      signed.toString('hex'),
    )
  })

  test('is accepted from Node’s own crypto, which leaves half of its signatures high', () => {
    const point = new PrivateKey([...sender.privateKey]).toPublicKey()
    const part = (name: 'x' | 'y') => Buffer.from((point[name]?.toString(16) ?? '').padStart(64, '0'), 'hex')
    const key = createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'secp256k1',
        d: Buffer.from(sender.privateKey).toString('base64url'),
        x: part('x').toString('base64url'),
        y: part('y').toString('base64url'),
      },
    })
    for (let i = 0; i < 20; i++) {
      const signed = nodeSign('sha256', Buffer.concat([request.body, utf8(request.nonce)]), key)
      expect(verify(1, toHex(signed))).toMatchObject({ ok: true })
    }
  })
})

describe('version 2', () => {
  const signature = signRequest(request, 2, sender.privateKey)

  test('covers method, path and query', () => {
    for (const change of [{ method: 'PUT' }, { path: '/ingest/events' }, { path: '/ingest/events?stream=b' }])
      expect(verify(2, signature, change)).toMatchObject({ ok: false })
  })

  test('is not a signature of version 1, nor the other way round', () => {
    expect(verify(1, signature)).toMatchObject({ ok: false })
    expect(verify(2, signRequest(request, 1, sender.privateKey))).toMatchObject({ ok: false })
  })
})
