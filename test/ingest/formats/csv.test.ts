import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { csvTaker } from '../../../src/ingest/formats/csv.ts'
import { RECORD_BYTES_MAX } from '../../../src/ingest/formats/limits.ts'
import { readWhole, readWholeInTurns } from '../../../src/ingest/formats/read-whole.ts'
import { brief, briefly, complaints, csv, cutAt, read, streamed } from './reading.ts'

const refused = { refused: 'event-unreadable' }

describe('CSV', () => {
  test.each([
    ['with lines that end in LF', 'a,b\n1,x\n2,y\n'],
    ['with lines that end in CRLF', 'a,b\r\n1,x\r\n2,y\r\n'],
    ['with a last line that does not end', 'a,b\n1,x\n2,y'],
    ['with blank lines', '\na,b\n\n1,x\r\n\r\n2,y\n\n'],
    ['with a byte order mark', '\ufeffa,b\n1,x\n2,y'],
    ['with a byte order mark before a quote', '\ufeff"a",b\n1,x\n2,y'],
    ['with quotes that it does not need', '"a","b"\n"1","x"\n"2","y"\n'],
  ])('is one event per row under its header %s', (_, body) => {
    expect(briefly(read(body, csv))).toEqual([
      { a: '1', b: 'x' },
      { a: '2', b: 'y' },
    ])
  })

  test('keeps what is quoted: newlines, delimiters, quotes and spaces', () => {
    expect(briefly(read('a,b\n"x\r\ny,\n""z""", 1 \n"",""\n', csv))).toEqual([
      { a: 'x\r\ny,\n"z"', b: ' 1 ' },
      { a: '', b: '' },
    ])
  })

  test('is read with the delimiter that it has', () => {
    expect(briefly(read('a;b\n1,5;x', { kind: 'csv', delimiter: ';' }))).toEqual([{ a: '1,5', b: 'x' }])
    expect(briefly(read('a\tb\n1\tx', { kind: 'csv', delimiter: '\t' }))).toEqual([{ a: '1', b: 'x' }])
  })

  test('loses no row to a ragged one, and says which it was', () => {
    const whole = orThrow(read('a,b\n1,x\n\n2\n3,y,z\n"4\n",z\n,\n5,6,7', csv))
    expect(brief(whole.items)).toEqual([
      { a: '1', b: 'x' },
      refused,
      refused,
      { a: '4\n', b: 'z' },
      { a: '', b: '' },
      refused,
    ])
    expect(complaints(whole.items).map(detail => detail.split(':', 1)[0])).toEqual([
      'line 4',
      'line 5',
      'line 9',
    ])
  })

  test.each([
    ['inside of a field', 'a,b\n1,5" pipe\n2,y\n'],
    ['after blank lines', 'a,b\n\n\r\n1,5" pipe\n2,y\n'],
    ['after a quoted field', 'a,b\n1,"5" pipe\n2,y\n'],
    ['that opens and never closes', 'a,b\n1,"x\n2,y\n'],
    ['that opens in the last line', 'a,b\n2,y\n1,"x'],
    ['that closes in the wrong row', 'a,b\n1,"x\n2,y\n3,"z\n'],
  ])('loses one line to a quote %s', (_, body) => {
    const { items } = orThrow(read(body, csv))
    expect(brief(items)).toContainEqual({ a: '2', b: 'y' })
    expect(complaints(items).every(detail => detail.includes('quote'))).toBe(true)
    expect(items.length - complaints(items).length).toBe(1)
  })

  test('counts a line with a stray quote once, and by its number', () => {
    expect(complaints(orThrow(read('a,b\n\n\r\n1,5" pipe\n\n2,y\n"', csv)).items)).toEqual([
      expect.stringMatching('^line 4: '),
      expect.stringMatching('^line 7: '),
    ])
  })

  test('loses no row to bytes that are not UTF-8', () => {
    const body = concat(utf8('a\né\n'), Uint8Array.of(0xe9), utf8('\nx\n'))
    const { items } = orThrow(read(body, csv))
    expect(brief(items)).toEqual([{ a: 'é' }, refused, { a: 'x' }])
    expect(complaints(items)).toEqual(['line 3: the bytes are not UTF-8'])
  })

  test.each([
    ['is not there', ''],
    ['is blank', '\r\n\n'],
    ['repeats a name', 'a,a\n1,2'],
    ['lacks a name', 'a,\n1,2'],
    ['names the prototype', '__proto__\n1'],
    ['has a stray quote', 'a,"b"x\n1,2'],
    ['has a quote that does not close', '"a,b\n1,2'],
    ['is not UTF-8', Uint8Array.of(0xff, 0x0a, 0x31)],
  ])('is refused as a whole where its header %s', async (_, body) => {
    expect(briefly(read(body, csv))).toBe('body-unreadable')
    const bytes = typeof body === 'string' ? utf8(body) : body
    await expect(streamed([bytes], csv)).rejects.toMatchObject({ fault: { code: 'body-unreadable' } })
  })

  test('gives a quote up that does not close in time, and reads on', async () => {
    const rows = Array.from({ length: 400 }, (_, i) => `${i},x`)
    const body = utf8(['a,b', '0,"', ...rows].join('\n'))
    const items = await streamed(cutAt(body, [500]), csv, { recordBytesMax: 256 })
    expect(items).toHaveLength(401)
    expect(brief(items.slice(0, 2))).toEqual([refused, { a: '0', b: 'x' }])
    expect(items.filter(item => item.submission.ok)).toHaveLength(400)
  })

  test('refuses only rows longer than 64 bytes, also without a newline in sight', async () => {
    const body = utf8(`a,b\n1,${'x'.repeat(62)}\n2,${'x'.repeat(63)}\n3,y\n4,${'x'.repeat(1000)}\n5,z`)
    const items = await streamed([body], csv, { recordBytesMax: 64 })
    expect(items.map(item => item.submission.ok)).toEqual([true, false, true, false, true])
    expect(complaints(items).map(detail => detail.split(':', 1)[0])).toEqual(['line 3', 'line 5'])
  })

  test('gives the same items wherever it is cut, and whatever is in it', async () => {
    const field = fc.oneof(
      fc.constantFrom('', '1', '"', '""', '"x"', '"a\nb"', '"a""b"', ' "', 'é', 'x'.repeat(70)),
      fc.string({ maxLength: 5 }),
    )
    const row = fc.array(field, { minLength: 1, maxLength: 3 }).map(fields => fields.join(','))
    const body = fc
      .array(fc.tuple(row, fc.constantFrom('\n', '\r\n', '\n\n')), { maxLength: 12 })
      .map(rows => utf8(`a,b\n${rows.flat().join('')}`))
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat(), { maxLength: 8 }), async (bytes, places) => {
        const options = { recordBytesMax: 64 }
        const whole = orThrow(read(bytes, csv, options)).items
        expect(await streamed([bytes], csv, options)).toEqual(whole)
        expect(await streamed(cutAt(bytes, places), csv, options)).toEqual(whole)
        const single = Array.from(bytes, byte => Uint8Array.of(byte))
        expect(await streamed(single, csv, { ...options, itemsMax: 2 })).toEqual(whole)
      }),
    )
  })

  test('gives each row of up to 64 bytes where 64 are the most, wherever its newlines fall', async () => {
    const field = fc.constantFrom('1', '"a\nb"', '"\n\n"', '"a""\r\nb"', '"x\ny,z"', 'é')
    const rows = fc.array(fc.tuple(field, field), { minLength: 10, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(rows, async made => {
        const body = utf8(['a,b', ...made.map(row => row.join())].join('\n'))
        const atOnce = csvTaker(RECORD_BYTES_MAX, ',')(body, 'ended').items
        expect(await streamed([body], csv, { recordBytesMax: 64 })).toEqual(atOnce)
        expect(atOnce).toHaveLength(made.length)
      }),
    )
  })

  test('gives the same items as if all of it were in sight at once', async () => {
    // An open quote in the middle, and quotes that go over every border between two windows.
    const rows = Array.from({ length: 12_000 }, (_, i) =>
      i === 4_000 ? `${i},"` : i % 7 === 0 ? `${i},"x\n,""\n${i}"` : `${i},${'é'.repeat(i % 5)}`,
    )
    const body = utf8(['a,b', ...rows].join('\n'))
    const atOnce = csvTaker(RECORD_BYTES_MAX, ',')(body, 'ended').items
    expect(atOnce.length).toBeGreaterThan(10_000)
    expect(await streamed([body], csv)).toEqual(atOnce)
    expect(await streamed(cutAt(body, [70_000, 70_001, 200_000]), csv)).toEqual(atOnce)
  })

  test('comes back from whatever was written by the rules', async () => {
    const value = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '😀'),
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, value), { maxLength: 20 }), async rows => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
        const body = ['a,b', ...rows.map(row => row.map(quoted).join())].join('\r\n')
        expect(briefly(read(body, csv))).toEqual(rows.map(([a, b]) => ({ a, b })))
      }),
    )
  })
})

describe('a long body of CSV that is read whole', () => {
  test('lets others go first many times, and comes out the same', async () => {
    const body = utf8(`a,b\n${'1,2\n'.repeat(5_000).repeat(20)}`)
    const options = { headers: {}, itemsMax: 100_000 }
    let rests = 0
    const whole = await readWholeInTurns(body, csv, options, async () => void rests++)
    expect(whole).toEqual(readWhole(body, csv, options))
    expect(orThrow(whole).items).toHaveLength(100_000)
    expect(rests).toBeGreaterThan(5)
  })
})

test('a body of CSV is given up after a hundred rows whose quotes cannot be read', () => {
  const flawed = (rows: number) => read(`a\n${'x"\n'.repeat(rows)}fine\n`, csv)
  const hundred = orThrow(flawed(100))
  expect(hundred.items.filter(({ submission }) => submission.ok)).toHaveLength(1)
  expect(flawed(101)).toMatchObject({ ok: false, fault: { code: 'body-unreadable' } })
})
