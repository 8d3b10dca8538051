import type { Json, JsonObject } from '../../../src/core/canonical-json.ts'

/** Values whose members have the names that JavaScript looks up by itself, and are nothing it could call. */
export const hostileMembers: readonly Json[] = [
  { valueOf: 1 },
  { toString: 1 },
  { valueOf: 'x', toString: 'y' },
  { constructor: {} },
  { hasOwnProperty: true },
  { length: { toString: 'x', valueOf: 'y' } },
  { length: 3 },
  [{ valueOf: 1 }, { valueOf: 2 }],
  [{ constructor: {} }, { constructor: {} }],
]

export const oneRuleOfEachKind: readonly JsonObject[] = [
  { kind: 'schema', schema: { type: 'object', properties: { v: { type: 'number' } } } },
  { kind: 'payload-type', name: 'SENSOR_READING_V1' },
  { kind: 'bounds', field: 'v', min: 0, max: 100 },
  { kind: 'enum', field: 's', values: ['ok', 1, true] },
  { kind: 'pattern', field: 's', pattern: '^[a-z]+$' },
  {
    kind: 'predicate',
    name: 'p',
    require: {
      any: [
        { not: { field: 'v', op: '>', other: 'w' } },
        {
          all: [
            { field: 's', op: 'length', value: 2 },
            { field: 'v', op: 'between', value: [0, 9] },
          ],
        },
        { field: 's', op: 'in', value: ['a'] },
        { field: 's', op: 'exists' },
      ],
    },
  },
  { kind: 'sum', fields: ['v', 'w'], of: 'inverse', max: 2 },
  { kind: 'staleness', maxMs: 60_000 },
  { kind: 'skew' },
  { kind: 'monotonic', field: 'v', key: 'k' },
  { kind: 'rate', field: 'v', key: 'k', max: 3 },
  { kind: 'z-score', field: 'v', key: 'k', window: 4, samplesMin: 3, max: 1.5 },
  { kind: 'mad', field: 'v', key: 'k', window: 5, samplesMin: 2, max: 2 },
  { kind: 'divergence', field: 'v', key: 'k', withinMs: 5_000, absolute: 4 },
]
