import { describe, expect, test } from 'vitest'
import {
  EVENTS_OFF_CHAIN_BYTES_MAX,
  type EventBatch,
  eventBatchToken,
} from '../../src/contract/event-batch.ts'
import { EVENTS_INLINE_BYTES_MAX } from '../../src/contract/token-bodies.ts'
import { readToken } from '../../src/contract/tokens.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { party } from '../support/pipeline.ts'

const issuer = party('publisher')
const ndjson = '{"celsius":21.5}\n{"celsius":"21.7°"}\n'
const subject = sha256Hex(utf8(ndjson))

function build(change: Partial<EventBatch> = {}) {
  return eventBatchToken({
    issuer,
    streamId: 'greenhouse',
    sourceId: 'sensor-1',
    ndjson,
    as: 'inline',
    ...change,
  })
}

function read(change: Partial<EventBatch> = {}) {
  return orThrow(readToken(orThrow(build(change)).script))
}

/** One line, `bytes` long. */
const longLine = (bytes: number) => `"${'a'.repeat(bytes - 2)}"`

describe('a batch of events', () => {
  const said = { streamId: 'greenhouse', sourceId: 'sensor-1', count: 2 }

  test('becomes a token that holds it', () => {
    const token = { tag: 'GDE1', issuer: issuer.identityKey, subject, body: { ...said, bytes: utf8(ndjson) } }
    expect(read()).toEqual(token)
    expect(read({ ndjson: utf8(ndjson) })).toEqual(token)
  })

  test('becomes a token beside which it travels', () => {
    const built = orThrow(build({ as: 'off-chain' }))
    expect(orThrow(readToken(built.script)).body).toEqual(said)
    expect(built).toMatchObject({ subject, count: 2, offChainValues: utf8(ndjson) })
  })

  test('becomes a token that says where it is', () => {
    const built = orThrow(build({ as: { url: 'https://data.example/1' } }))
    expect(orThrow(readToken(built.script))).toMatchObject({
      subject,
      body: { ...said, url: 'https://data.example/1' },
    })
    expect(built).not.toHaveProperty('offChainValues')
  })

  test('is counted in lines, whether or not the last one is ended', () => {
    expect(build({ ndjson: '1\n2\n3' })).toMatchObject({ value: { count: 3 } })
    expect(build({ ndjson: '1\n2\n3\n' })).toMatchObject({ value: { count: 3 } })
    expect(build({ ndjson: '1\r\n2\r\n' })).toMatchObject({ value: { count: 2 } })
  })

  test('goes inline, or off-chain, as long as it fits', () => {
    expect(build({ ndjson: longLine(EVENTS_INLINE_BYTES_MAX) })).toMatchObject({ ok: true })
    expect(build({ ndjson: longLine(EVENTS_OFF_CHAIN_BYTES_MAX), as: 'off-chain' })).toMatchObject({
      ok: true,
    })
  })

  const refusals: [string, Partial<EventBatch>, object][] = [
    [
      'it has no line',
      { ndjson: '' },
      { code: 'json-unreadable', detail: expect.stringContaining('line 1') },
    ],
    ['a line is blank', { ndjson: '1\n\n2\n' }, { detail: expect.stringContaining('line 2') }],
    ['a line is not JSON', { ndjson: '1\n{"a":}\n' }, { detail: expect.stringMatching(/line 2.*not JSON/) }],
    [
      'it is not UTF-8',
      { ndjson: Uint8Array.of(0x22, 0xff, 0x22) },
      { detail: expect.stringContaining('UTF-8') },
    ],
    ['it has half a character', { ndjson: '"\ud800"' }, { detail: expect.stringContaining('Unicode') }],
    [
      'it is too long for a token',
      { ndjson: longLine(EVENTS_INLINE_BYTES_MAX + 1) },
      { code: 'token-invalid', detail: expect.stringContaining('send it as off-chain values') },
    ],
    [
      'it is too long to go beside one',
      { ndjson: longLine(EVENTS_OFF_CHAIN_BYTES_MAX + 1), as: 'off-chain' },
      { detail: expect.stringContaining('split it') },
    ],
    ['its stream has no name', { streamId: '' }, { pointer: '/streamId' }],
    ['its source has too long a name', { sourceId: 'a'.repeat(257) }, { pointer: '/sourceId' }],
    [
      'a name holds U+0000',
      { streamId: 'a\0b' },
      { pointer: '/streamId', detail: expect.stringContaining('U+0000') },
    ],
    ['its URL has a space in it', { as: { url: 'https://data.example/a b' } }, { pointer: '/url' }],
    [
      'the keys are of two publishers',
      { issuer: { ...issuer, identityKey: party('stranger').identityKey } },
      { detail: expect.stringContaining('identity key') },
    ],
  ]
  test.each(refusals)('is refused when %s', (_, change, fault) => {
    expect(build(change)).toMatchObject({ ok: false, fault })
  })
})
