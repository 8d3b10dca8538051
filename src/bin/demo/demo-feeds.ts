import type { Json } from '../../core/canonical-json.ts'

/**
 * What `assay up` sends by itself, so that there is something to look at: two thermometers in one greenhouse, which
 * disagree now and then, and a turnstile, which contradicts nobody. None of it was measured, and the names say so.
 */
export const demoStreams: readonly Json[] = [
  {
    streamId: 'demo-greenhouse',
    domain: 'demo',
    partitionKey: 'room',
    policy: {
      v: 1,
      license: 'CC0-1.0',
      constants: ['streamId', 'domain'],
      sources: { '*': sentWithTime(['celsius', 'id', 'room', 'ts']) },
      rules: [{ kind: 'skew', maxMs: 60_000, severity: 'flag' }],
      // Of two thermometers both must agree. Where they do not, nothing is decided, and the record says so.
      fusion: { strategy: 'quorum', min: 2, field: 'celsius', key: 'room', absolute: 0.5, windowMs: 2_000 },
    },
    search: { fields: ['room', 'celsius'] },
  },
  {
    streamId: 'demo-turnstile',
    domain: 'demo',
    policy: {
      v: 1,
      license: 'CC0-1.0',
      constants: ['streamId', 'domain'],
      sources: { '*': sentWithTime(['gate', 'id', 'passed', 'ts']) },
      rules: [{ kind: 'bounds', field: 'passed', min: 0 }],
    },
    search: { fields: ['gate'] },
  },
]

export const demoSources: readonly Json[] = [
  {
    sourceId: 'demo-thermometer-1',
    name: 'demo: a thermometer that nobody has hung up',
    streams: ['demo-greenhouse'],
    eventType: 'reading',
  },
  {
    sourceId: 'demo-thermometer-2',
    name: 'demo: a second one, in the sun now and then',
    streams: ['demo-greenhouse'],
    eventType: 'reading',
  },
  {
    sourceId: 'demo-turnstile',
    name: 'demo: a turnstile that nobody goes through',
    streams: ['demo-turnstile'],
    eventType: 'passage',
  },
]

/** From one beat to the next; in each, every source says one thing. */
export const BEAT_MS = 2_000
/** Every so many beats the second thermometer stands in the sun. */
const SUN_EVERY = 5
const SUN_CELSIUS = 3
/** A day in the greenhouse, in beats. */
const DAY_BEATS = 300

export type DemoReading = { readonly sourceId: string; readonly event: Readonly<Record<string, Json>> }

/** What is said in this beat: always the same, so a beat that is sent twice is recognised. */
export function demoReadings(beat: number): readonly DemoReading[] {
  const ts = beat * BEAT_MS
  const celsius = tenths(21 + 4 * Math.sin((2 * Math.PI * beat) / DAY_BEATS))
  const sun = beat % SUN_EVERY === 0 ? SUN_CELSIUS : 0
  return [
    { sourceId: 'demo-thermometer-1', event: { id: `t1-${beat}`, ts, room: 'greenhouse', celsius } },
    {
      sourceId: 'demo-thermometer-2',
      event: { id: `t2-${beat}`, ts, room: 'greenhouse', celsius: tenths(celsius + 0.2 + sun) },
    },
    { sourceId: 'demo-turnstile', event: { id: `gate-${beat}`, ts, gate: 'north', passed: beat % 3 } },
  ]
}

function sentWithTime(required: readonly string[]): Json {
  return { identify: { nativeId: 'id', eventTime: 'ts' }, required }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}
