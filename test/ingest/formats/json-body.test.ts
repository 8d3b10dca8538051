import { describe, expect, test } from 'vitest'
import { canonicalize } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { brief, briefly, json, read } from './reading.ts'

const flagsOf = (body: string) => orThrow(read(body, json)).items.map(item => item.flags)
const faultOf = (body: string) => {
  const whole = read(body, json)
  return whole.ok ? undefined : whole.fault
}

describe('a JSON body', () => {
  test('is a list of events', () => {
    expect(briefly(read('[{"a":1},{"a":2}]', json))).toEqual([{ a: 1 }, { a: 2 }])
    expect(briefly(read(' [ ] ', json))).toEqual([])
  })

  test('is one event', () => {
    const whole = orThrow(read('{"temperature":21.5,"sourceId":"sensor-1"}', json))
    expect(brief(whole.items)).toEqual([{ temperature: 21.5, sourceId: 'sensor-1' }])
    expect(whole.sourceId).toBeUndefined()
  })

  test('is a list beside the source that it is from', () => {
    const whole = orThrow(read('{"sourceId":"src_demo","streamId":"s","events":[{"a":1}]}', json))
    expect(whole).toMatchObject({ sourceId: 'src_demo', streamId: 's' })
    expect(brief(whole.items)).toEqual([{ a: 1 }])
  })

  test('may leave the source out, or give null for it', () => {
    for (const body of ['{"events":[]}', '{"sourceId":null,"events":[]}'])
      expect(orThrow(read(body, json))).toEqual({ items: [] })
  })

  test('says how its events are to be processed', () => {
    const processingOptions = {
      requireCertification: true,
      distributionTopics: ['gitdata.events.iot', 'gitdata.sensors.temperature'],
      consensusLevel: 'enhanced',
      backfill: false,
    }
    const event = {
      externalId: 'sensor_001_20240115_103000',
      eventType: 'sensor_reading',
      timestamp: '2024-01-15T10:30:00Z',
      data: { sensorId: 'temp_001', value: 23.5 },
    }
    const whole = orThrow(
      read(JSON.stringify({ sourceId: 'iot-sensors-farm-001', events: [event], processingOptions }), json),
    )
    expect(whole).toMatchObject({ sourceId: 'iot-sensors-farm-001', processingOptions })
    expect(orThrow(whole.items[0]?.submission ?? expect.fail())).toMatchObject({
      nativeId: event.externalId,
      type: 'sensor_reading',
      payload: event.data,
    })
  })

  test.each([
    ['{}', '/events'],
    ['{"sourceId":"src_demo"}', '/events'],
    ['{"processingOptions":{}}', '/events'],
    ['{"events":{}}', '/events'],
    ['{"events":[],"sourceId":7}', '/sourceId'],
    ['{"events":[],"sourceId":""}', '/sourceId'],
    ['{"events":[],"source":"src_demo"}', '/source'],
    ['{"events":[],"processingOptions":{"consensusLevel":"absolute"}}', '/processingOptions/consensusLevel'],
    ['{"events":[],"processingOptions":{"backfill":"yes"}}', '/processingOptions/backfill'],
    ['{"events":[],"processingOptions":{"priority":1}}', '/processingOptions/priority'],
    [
      '{"events":[],"processingOptions":{"distributionTopics":[1]}}',
      '/processingOptions/distributionTopics/0',
    ],
  ])('is refused as a whole where what holds the events is wrong: %s', (body, pointer) => {
    expect(faultOf(body)).toMatchObject({ code: 'body-unreadable', pointer })
  })

  test('says what is missing in the words that the route promises', () => {
    expect(faultOf('{"sourceId":"src_demo"}')?.detail).toContain('events[] required')
  })

  test('is read as its source fixed it', () => {
    const body = '[{"eventType":"t","data":{"a":1}}]'
    expect(briefly(read(body, json))).toEqual([{ a: 1 }])
    expect(briefly(read(body, json, { shape: 'bare' }))).toEqual([{ eventType: 't', data: { a: 1 } }])
  })

  test('may start with a byte order mark', () => {
    expect(briefly(read('\ufeff[{"a":1}]', json))).toEqual([{ a: 1 }])
  })

  test('judges each item alone', () => {
    const refused = { refused: 'event-unreadable' }
    expect(briefly(read('[1,{"a":1},null,"x",[],{"a":2},{"specversion":"0.3"}]', json))).toEqual([
      refused,
      { a: 1 },
      refused,
      refused,
      refused,
      { a: 2 },
      refused,
    ])
  })

  test('has a bound on its events', () => {
    expect(briefly(read('[{"a":1},{"a":2}]', json, { itemsMax: 1 }))).toBe('body-too-large')
    expect(briefly(read('[{"a":1},{"a":2}]', json, { itemsMax: 2 }))).toHaveLength(2)
  })

  test('has a bound on its bytes', () => {
    expect(briefly(read('[{"a":1}]', json, { bytesMax: 8 }))).toBe('body-too-large')
  })
})

describe('a repeated key', () => {
  const { DUPLICATE_KEYS } = qualityFlags

  test.each([
    '{"a":1,"a":2}',
    '{"a":1, "\\u0061" : 2}',
    '{"a":1e3,"a":1}',
    '{"a":{"b":[{"c":1,"c":1}]}}',
    '{"a":"\\"","a":":"}',
  ])('is flagged on the event that has it: %s', event => {
    expect(flagsOf(event)).toEqual([DUPLICATE_KEYS])
    expect(flagsOf(`[${event}]`)).toEqual([DUPLICATE_KEYS])
    const clean = '{"a":"{\\"a\\":1,[]}", "b" : [ [], {}, {"c":"\\\\"} ]}'
    expect(flagsOf(`[ ${clean} , 1, [ ], ${event},{}, ${clean} ]`)).toEqual([0, 0, 0, DUPLICATE_KEYS, 0, 0])
    expect(flagsOf(`{"sourceId":"s","events":[${clean},${event}]}`)).toEqual([0, DUPLICATE_KEYS])
    expect(flagsOf(`{"\\u0065vents":[${event},${clean}],"sourceId":"events"}`)).toEqual([DUPLICATE_KEYS, 0])
  })

  test('is flagged beside an item that is too deep to be looked at', () => {
    const deep = `${'['.repeat(100)}${']'.repeat(100)}`
    const body = `[{"a":1},${deep},{"a":1,"a":2}]`
    expect(flagsOf(body)).toEqual([0, 0, DUPLICATE_KEYS])
    expect(briefly(read(body, json))).toEqual([{ a: 1 }, { refused: 'json-too-deep' }, { a: 2 }])
  })

  test('lets the last value win', () => {
    expect(briefly(read('[{"a":1,"a":2}]', json))).toEqual([{ a: 2 }])
  })

  test('is not taken where events would be lost by it', () => {
    expect(faultOf('{"events":[{"a":1}],"events":[{"a":2}]}')?.code).toBe('body-unreadable')
    expect(faultOf('{"sourceId":"a","sourceId":"b","events":[{"a":2}]}')?.code).toBe('body-unreadable')
  })
})

describe('a hostile JSON body', () => {
  test.each([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['two texts', '{"a":1}{"a":2}'],
    ['NDJSON under another name', '{"a":1}\n{"a":2}'],
    ['a list that does not end', '[{"a":1},'],
    ['a string that does not end', '{"a":"'],
    ['an escape that does not end', '{"a":"\\'],
    ['closing brackets', ']]]]}}}}'],
  ])('is refused as a whole: %s', (_, body) => {
    expect(faultOf(body)?.code).toBe('json-unreadable')
  })

  test('is refused as a whole where it is not UTF-8', () => {
    expect(briefly(read(Uint8Array.of(0x5b, 0xff, 0x5d), json))).toBe('json-unreadable')
    expect(briefly(read(Uint8Array.of(0xff, 0xfe, 0x5b, 0, 0x5d, 0), json))).toBe('json-unreadable')
  })

  test.each([10_001, 1_000_000])('is not parsed where it nests %i levels deep', depth => {
    expect(faultOf('['.repeat(depth))?.code).toBe('json-too-deep')
    expect(faultOf('{"a":'.repeat(depth))?.code).toBe('json-too-deep')
  })

  test('costs one item where that one nests as deep as 10,000', () => {
    const deep = `${'['.repeat(9_000)}${']'.repeat(9_000)}`
    expect(briefly(read(`[{"a":1},{"a":${deep}}]`, json))).toEqual([{ a: 1 }, { refused: 'json-too-deep' }])
  })

  test('is refused where its parts would fill the memory', () => {
    expect(faultOf(`[${'[],'.repeat(1_100_000)}[]]`)?.code).toBe('body-too-large')
  })

  test('is refused where its elements would take long to parse', () => {
    const numbers = (count: number) => `{"a":[${'1,'.repeat(count - 1)}1]}`
    expect(faultOf(numbers(1_100_000))?.code).toBe('body-too-large')
    expect(faultOf(numbers(900_000))).toBeUndefined()
  })

  test('changes no prototype', () => {
    const whole = orThrow(
      read('[{"__proto__":{"polluted":1}},{"constructor":{"prototype":{"polluted":1}}}]', json),
    )
    expect(whole.items).toHaveLength(2)
    expect('polluted' in {}).toBe(false)
    expect(Object.getPrototypeOf(brief(whole.items)[0])).toBe(Object.prototype)
  })

  test.each([
    ['1e400', 'json-number-unsafe'],
    ['12345678901234567890', 'json-number-unsafe'],
    ['"\\ud800"', 'json-string-unsound'],
    ['{"__proto__":1}', 'json-key-refused'],
  ])('is read, and costs the item that has no canonical form: %s', (value, code) => {
    const items = orThrow(read(`[{"a":1},{"a":${value}}]`, json)).items
    const canonical = items.map(({ submission }) => canonicalize(orThrow(submission).payload))
    expect(canonical).toMatchObject([
      { ok: true },
      { ok: false, fault: { code, pointer: expect.stringMatching('^/a') } },
    ])
  })
})
