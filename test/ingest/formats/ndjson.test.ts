import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { brief, briefly, complaints, cutAt, ndjson, read, streamed } from './reading.ts'

describe('NDJSON', () => {
  test.each([
    ['with a newline after the last line', '{"a":1}\n{"a":2}\n'],
    ['without one', '{"a":1}\n{"a":2}'],
    ['with lines that end in CRLF', '{"a":1}\r\n{"a":2}\r\n'],
    ['with blank lines', '\n\n{"a":1}\n \t\r\n\n{"a":2}\n\n'],
    ['with a byte order mark', '\ufeff{"a":1}\n{"a":2}'],
  ])('is one event per line %s', (_, body) => {
    expect(briefly(read(body, ndjson))).toEqual([{ a: 1 }, { a: 2 }])
  })

  test('may be empty', () => {
    for (const body of ['', '\n', '\ufeff', ' \r\n']) expect(briefly(read(body, ndjson))).toEqual([])
  })

  test('loses no line to another, and says which it was', () => {
    const lines = ['{"a":1}', '', 'hello', '{"a":', '[1]', '{"a":1}{"a":2}', '"\\"', '{"a":2}']
    const whole = orThrow(read(lines.join('\n'), ndjson))
    expect(brief(whole.items)).toEqual([
      { a: 1 },
      { refused: 'json-unreadable' },
      { refused: 'json-unreadable' },
      { refused: 'event-unreadable' },
      { refused: 'json-unreadable' },
      { refused: 'json-unreadable' },
      { a: 2 },
    ])
    expect(complaints(whole.items).map(detail => detail.split(':', 1)[0])).toEqual([
      'line 3',
      'line 4',
      'line 5',
      'line 6',
      'line 7',
    ])
  })

  test('loses no line to one that is not UTF-8', () => {
    const body = concat(utf8('{"a":"é"}\n{"a":"'), Uint8Array.of(0xc3), utf8('"}\n\n{"a":2}'))
    const whole = orThrow(read(body, ndjson))
    expect(brief(whole.items)).toEqual([{ a: 'é' }, { refused: 'json-unreadable' }, { a: 2 }])
    expect(complaints(whole.items)[0]).toBe('line 2: the bytes are not UTF-8')
  })

  test('loses no line to one that nests a million levels deep', () => {
    const body = `${'['.repeat(1_000_000)}\n{"a":1}`
    expect(briefly(read(body, ndjson))).toEqual([{ refused: 'json-too-deep' }, { a: 1 }])
  })

  test.each([63, 64, 65, 200])('refuses only lines longer than 64 bytes, such as one of %i', async length => {
    const line = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`
    const body = utf8(`${line(20)}\n${line(length)}\n${line(30)}\n`)
    const options = { recordBytesMax: 64 }
    const items = await streamed([body], ndjson, options)
    expect(items.map(item => item.submission.ok)).toEqual([true, length <= 64, true])
    expect(brief(orThrow(read(body, ndjson, options)).items)).toEqual(brief(items))
    const last = await streamed([utf8(line(length))], ndjson, options)
    expect(last.map(item => item.submission.ok)).toEqual([length <= 64])
    if (length > 64) expect(complaints(items)[0]).toContain('line 2: it is longer than 64 bytes')
  })

  test('flags a line that repeats a key', () => {
    const whole = orThrow(read('{"a":1}\n{"a":1,"a":2}\n{"b":":"}', ndjson))
    expect(whole.items.map(item => item.flags)).toEqual([0, qualityFlags.DUPLICATE_KEYS, 0])
  })

  test('has a bound on its events where it is read as a whole', () => {
    expect(briefly(read('{"a":1}\n{"a":2}', ndjson, { itemsMax: 1 }))).toBe('body-too-large')
  })

  test('is read as its source fixed it', () => {
    const body = '{"eventType":"t","data":1}'
    expect(briefly(read(body, ndjson))).toEqual([1])
    expect(briefly(read(body, ndjson, { shape: 'bare' }))).toEqual([{ eventType: 't', data: 1 }])
  })

  test('gives the same items wherever it is cut, and whatever is in it', async () => {
    const good = fc.json({ maxDepth: 2 }).map(utf8)
    const piece = fc.oneof(
      { weight: 4, arbitrary: good },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
      { weight: 1, arbitrary: fc.constantFrom('', ' ', '\r', '\ufeff', 'é', '[[[[', '"').map(utf8) },
    )
    const newline = fc.constantFrom('\n', '\r\n', '\n\n')
    const body = fc
      .array(fc.tuple(piece, newline), { maxLength: 12 })
      .map(lines => concat(...lines.flatMap(([line, end]) => [line, utf8(end)])))
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat(), { maxLength: 8 }), async (bytes, places) => {
        const options = { recordBytesMax: 64 }
        const whole = orThrow(read(bytes, ndjson, options)).items
        expect(await streamed([bytes], ndjson, options)).toEqual(whole)
        expect(await streamed(cutAt(bytes, places), ndjson, options)).toEqual(whole)
        const single = Array.from(bytes, byte => Uint8Array.of(byte))
        expect(await streamed(single, ndjson, { ...options, itemsMax: 2 })).toEqual(whole)
      }),
    )
  })
})
