import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../src/core/bytes.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { brief, briefly, read } from './reading.ts'

const event = { specversion: '1.0', id: '1', source: '/s', type: 'reading', data: { a: 1 } }
const structured = { kind: 'cloud-event' } as const
const batch = { kind: 'cloud-event-batch' } as const
const binary = { kind: 'cloud-event-binary' } as const

const headers = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/s',
  'ce-type': 'reading',
  'content-type': 'application/json',
}

describe('a CloudEvent', () => {
  test('comes structured, in a batch and in binary mode, and is the same event', () => {
    const submissions = [read(JSON.stringify(event), structured), read(JSON.stringify([event]), batch)].map(
      whole => orThrow(orThrow(whole).items[0]?.submission ?? expect.fail()),
    )
    const sent = orThrow(orThrow(read('{"a":1}', binary, { headers })).items[0]?.submission ?? expect.fail())
    expect(submissions[0]).toMatchObject({ payload: { a: 1 }, type: 'reading' })
    expect(submissions[1]).toEqual(submissions[0])
    expect(sent).toMatchObject({ payload: { a: 1 }, nativeId: submissions[0]?.nativeId })
  })

  test('is one by its content type, whatever it lacks, and an `events` of it is its own', () => {
    const refused = [{ refused: 'event-unreadable' }]
    expect(briefly(read('{"id":"1"}', structured))).toEqual(refused)
    expect(briefly(read('{"events":[]}', structured))).toEqual(refused)
    expect(briefly(read('[]', structured))).toEqual(refused)
  })

  test('costs only itself in a batch', () => {
    expect(briefly(read(JSON.stringify([{ ...event, id: 7 }, event, 'x']), batch))).toEqual([
      { refused: 'event-unreadable' },
      { a: 1 },
      { refused: 'event-unreadable' },
    ])
  })

  test('in a batch that is no list is none', () => {
    expect(briefly(read(JSON.stringify(event), batch))).toBe('body-unreadable')
  })

  test('in binary mode carries any bytes', () => {
    const sent = { ...headers, 'content-type': 'image/png' }
    expect(briefly(read(Uint8Array.of(0xff, 0), binary, { headers: sent }))).toEqual(['/wA='])
  })

  test.each([
    ['without an attribute', { ...headers, 'ce-id': undefined }, '{}', 'event-unreadable'],
    ['with data that is not what it says', headers, '{', 'json-unreadable'],
    ['with data that is not UTF-8', headers, Uint8Array.of(0xff), 'json-unreadable'],
    ['with data that nests too deep', headers, '['.repeat(100_000), 'json-too-deep'],
    ['with an attribute that is no text', { ...headers, 'ce-x': '%ff' }, '{}', 'event-unreadable'],
  ])('in binary mode is one rejected item %s', (_, sent, body, refused) => {
    expect(briefly(read(body, binary, { headers: sent }))).toEqual([{ refused }])
  })

  test('has a bound on its data in binary mode', () => {
    const whole = read(utf8('x'.repeat(65)), binary, { headers, recordBytesMax: 64 })
    expect(brief(orThrow(whole).items)).toEqual([{ refused: 'event-unreadable' }])
  })

  test('is flagged where it repeats a key', () => {
    const flags = (whole: ReturnType<typeof read>) => orThrow(whole).items.map(item => item.flags)
    const twice = '{"a":1,"a":2}'
    expect(flags(read(twice, binary, { headers }))).toEqual([qualityFlags.DUPLICATE_KEYS])
    expect(flags(read('{"a":1}', binary, { headers }))).toEqual([0])
    expect(flags(read(JSON.stringify(event).replace('{"a":1}', twice), structured))).toEqual([
      qualityFlags.DUPLICATE_KEYS,
    ])
  })
})
