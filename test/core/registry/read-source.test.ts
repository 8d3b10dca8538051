import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readSource } from '../../../src/core/registry/read-source.ts'
import { readWebhookSecret } from '../../../src/core/registry/webhook-secret.ts'

const key = `02${'ab'.repeat(32)}`

describe('a source', () => {
  test('needs a name of its own, and nothing else', () => {
    expect(readSource({ sourceId: 's' })).toMatchObject({
      ok: true,
      value: { name: 's', type: 'webhook', enabled: true, authentication: 'none', streams: ['s'] },
    })
  })

  test('reads as itself once more', () => {
    const source = orThrow(
      readSource({
        sourceId: 's',
        allowlist: ['2001:DB8::/32', '192.0.2.7', '192.0.2.7/32'],
        overlayTopics: ['gitdata.events.energy', 'a', 'a'],
        time: { staleMsMax: 1000, onStale: 'quarantine' },
        policy: { requiredFields: ['b', 'a'], coerce: { a: 'iso8601 -> epoch' } },
      }),
    )
    expect(source.allowlist).toEqual(['192.0.2.7/32', '2001:db8::/32'])
    expect(source.overlayTopics).toEqual(['a', 'gitdata.events.energy'])
    expect(source.policy).toEqual({ required: ['/a', '/b'], coercion: { '/a': 'iso8601->epoch' } })
    expect(orThrow(readSource(source))).toEqual(source)
  })

  test.each<[string, Json, string]>([
    ['no name', {}, '/sourceId'],
    ['a name that a line could end in', { sourceId: 'a\nb' }, '/sourceId'],
    ['a name that no column can hold', { sourceId: 'a\u0000' }, '/sourceId'],
    ['the name of all sources', { sourceId: '*' }, '/sourceId'],
    ['a mistyped member', { sourceId: 's', trustWeigth: 1 }, '/trustWeigth'],
    ['another type', { sourceId: 's', type: 'carrier-pigeon' }, '/type'],
    ['no stream at all', { sourceId: 's', streams: [] }, '/streams/0'],
    ['a stream twice', { sourceId: 's', streams: ['a', 'a'] }, '/streams'],
    ['a network that is none', { sourceId: 's', allowlist: ['10.0.0.0/33'] }, '/allowlist/0'],
    ['a topic that is none', { sourceId: 's', overlayTopics: ['tm_x'] }, '/overlayTopics/0'],
    ['a limit that lets nothing in', { sourceId: 's', limits: { eventsPerDay: 0 } }, '/limits/eventsPerDay'],
    ['an overlay source without a key', { sourceId: 's', type: 'overlay' }, '/identityKey'],
    ['signatures of nobody', { sourceId: 's', authentication: 'legacy' }, '/identityKey'],
    ['a policy that cannot be used', { sourceId: 's', policy: { requird: ['a'] } }, '/policy/requird'],
    [
      'a policy with U+0000',
      { sourceId: 's', policy: { constants: { a: '\u0000' } } },
      '/policy/constants/a',
    ],
  ])('is refused with %s, which the pointer names', (_, document, pointer) => {
    expect(readSource(document)).toMatchObject({ ok: false, fault: { pointer } })
  })

  test('is taken with the key that it signs with', () => {
    expect(readSource({ sourceId: 's', type: 'overlay', identityKey: key })).toMatchObject({ ok: true })
  })
})

describe('a webhook secret', () => {
  test('is base64 behind whsec_, with or without padding, and else the text itself', () => {
    const bytes = Buffer.from('0123456789abcdef')
    expect(readWebhookSecret('whsec_MDEyMzQ1Njc4OWFiY2RlZg==')).toEqual({
      ok: true,
      value: Uint8Array.from(bytes),
    })
    expect(readWebhookSecret('whsec_MDEyMzQ1Njc4OWFiY2RlZg')).toMatchObject({ ok: true })
    expect(readWebhookSecret('0123456789abcdef')).toEqual({ ok: true, value: Uint8Array.from(bytes) })
  })

  test.each([
    ['nothing', ''],
    ['a few characters', 'short'],
    ['a few bytes', 'whsec_MDEy'],
    ['half a byte', 'whsec_MDEyMzQ1Njc4OWFiY2RlZ'],
    ['no base64', 'whsec_!!!!'],
    ['a page of text', 'x'.repeat(1025)],
  ])('is refused as %s, without being repeated', (_, text) => {
    const read = readWebhookSecret(text)
    expect(read).toMatchObject({ ok: false, fault: { code: 'registration-invalid' } })
    if (text !== '') expect(JSON.stringify(read)).not.toContain(text)
  })
})
