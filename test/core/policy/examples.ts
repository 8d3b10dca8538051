import fc from 'fast-check'
import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'
import { ENVELOPE_VERSION, type Envelope } from '../../../src/core/event/envelope.ts'
import { severities } from '../../../src/core/issue.ts'
import { fieldName, pointerOf } from '../../../src/core/path.ts'
import { coercions } from '../../../src/core/policy/coercion.ts'
import { normalizeIssues } from '../../../src/core/policy/policy-set.ts'

/** An event of source "s" with this payload. */
export function envelope(payload: Json, members: Partial<Envelope> = {}): Envelope {
  return {
    schemaVersion: ENVELOPE_VERSION,
    eventId: 'e'.repeat(64),
    sourceId: 's',
    sourceVersion: '1',
    connectorId: 'http',
    connectorVersion: '1',
    streamId: 'meters',
    partitionKey: 'k',
    domain: 'energy',
    type: 'reading',
    payloadType: 'json',
    dataVersion: '1',
    eventTimeMs: 1_763_600_000_000,
    ingestTimeMs: 1_763_600_000_250,
    payload,
    qualityFlags: 0,
    ...members,
  }
}

const name = fc.constantFrom(
  'a',
  'b',
  'c',
  'x.y',
  'toString',
  'valueOf',
  'length',
  'constructor',
  'hasOwnProperty',
  'é',
  '0',
)
const pointer = fc.array(name, { minLength: 1, maxLength: 3 }).map(pointerOf)
/** As people write them: dot paths where those can say it. */
const target = fc.oneof(pointer, pointer.map(fieldName))
const path = fc.oneof(
  { weight: 4, arbitrary: target },
  { weight: 1, arbitrary: fc.constantFrom('a[0]', 'b[1].c', '') },
)

const scalar = fc.oneof(
  fc.constantFrom<Json>(
    'true',
    'false',
    '',
    ' 1',
    '12.50',
    '1e3',
    '2024-02-29T10:00:00+01:00',
    '2024-02-30',
    null,
  ),
  fc.integer(),
  fc.boolean(),
  fc.string({ maxLength: 8 }),
)
const { tree } = fc.letrec<{ tree: Json }>(tie => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
  ),
}))

/** Payloads whose fields policies of anySourcePolicy speak about. */
export const anyPayload: fc.Arbitrary<Json> = fc.oneof(
  { weight: 5, arbitrary: fc.dictionary(name, tree, { maxKeys: 6 }) },
  { weight: 1, arbitrary: tree },
)

const making = <T extends Json>(values: fc.Arbitrary<T>) => fc.dictionary(target, values, { maxKeys: 3 })
const kind = fc.constantFrom(...Object.keys(coercions), 'iso8601 -> epoch')
const rule = fc.constantFrom<Json>(
  { kind: 'bounds', field: 'a', min: 0, severity: 'flag' },
  { kind: 'enum', field: '/b', values: ['true', 1] },
  { kind: 'monotonic', field: 'c' },
)

/** Mostly sound; those with colliding fields are refused. */
export const anySourcePolicy: fc.Arbitrary<JsonObject> = fc.record<JsonObject>(
  {
    map: making(path),
    constants: making(tree),
    defaults: making(tree),
    required: fc.array(path, { maxLength: 3 }),
    coerce: fc.dictionary(path, kind, { maxKeys: 4 }),
    severity: fc.dictionary(fc.constantFrom(...normalizeIssues), fc.constantFrom(...severities)),
    identify: fc.record({ nativeId: path, eventTime: path }, { requiredKeys: [] }),
    constraints: fc.record(
      { bounds: fc.constant({ a: { min: -3 }, c: { max: 1e6 } }) },
      { requiredKeys: [] },
    ),
    rules: fc.array(rule, { maxLength: 3 }),
  },
  { requiredKeys: [] },
)
