import { describe, expect, test } from 'vitest'
import { formatOf } from '../../../src/ingest/formats/body-format.ts'

describe('the format of a body', () => {
  test.each([
    [undefined, { kind: 'json' }],
    ['', { kind: 'json' }],
    ['application/json', { kind: 'json' }],
    ['Application/JSON; charset=UTF-8', { kind: 'json' }],
    ['application/x-ndjson', { kind: 'ndjson' }],
    ['application/ndjson', { kind: 'ndjson' }],
    ['application/jsonl;charset="utf-8"', { kind: 'ndjson' }],
    ['text/csv', { kind: 'csv', delimiter: ',' }],
    ['text/csv; header=present', { kind: 'csv', delimiter: ',' }],
    ['text/csv; delimiter=";"', { kind: 'csv', delimiter: ';' }],
    ['text/csv; delimiter=semicolon; charset=utf-8', { kind: 'csv', delimiter: ';' }],
    ['text/csv;delimiter=tab', { kind: 'csv', delimiter: '\t' }],
    ['text/csv;delimiter=\\t', { kind: 'csv', delimiter: '\t' }],
    ['text/csv;delimiter=|', { kind: 'csv', delimiter: '|' }],
    ['application/cloudevents+json', { kind: 'cloud-event' }],
    ['application/cloudevents-batch+json; charset=utf-8', { kind: 'cloud-event-batch' }],
  ])('of the type %s is told by it', (type, format) => {
    expect(formatOf(type === undefined ? {} : { 'content-type': type })).toEqual(format)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/json-seq',
    'application/json; charset=utf-16',
    'text/csv; charset=iso-8859-1',
    'text/csv; delimiter="#"',
    // Without a header row the columns have no names.
    'text/csv; header=absent',
    'application/cloudevents+avro',
    'application/cloudevents+xml',
  ])('of the type %s is none that we read', type => {
    expect(formatOf({ 'Content-Type': type })).toBeUndefined()
  })

  test('is binary where headers carry a CloudEvent, whatever the type, and also where one of them is missing', () => {
    const binary = { kind: 'cloud-event-binary' }
    expect(formatOf({ 'ce-specversion': '1.0', 'content-type': 'image/png' })).toEqual(binary)
    expect(formatOf({ 'CE-Id': '1', 'content-type': 'application/json' })).toEqual(binary)
    expect(formatOf({ 'ce-type': 'x' })).toEqual(binary)
  })

  test('is structured where the type says so, also beside attributes in headers', () => {
    expect(formatOf({ 'ce-id': '1', 'content-type': 'application/cloudevents+json' })).toEqual({
      kind: 'cloud-event',
    })
  })

  test('is none where there are two content types', () => {
    expect(formatOf({ 'content-type': ['application/json', 'text/csv'] })).toBeUndefined()
  })
})
