import type { Json } from '../src/core/canonical-json.ts'
import { ENVELOPE_VERSION, type Envelope } from '../src/core/event/envelope.ts'
import type { ReferenceEvent } from './reference-event.ts'

/** What a publisher of the reference event would ask for: every field mapped, some coerced, all of them checked. */
export const referencePolicy: Json = {
  map: {
    sensor: 'source_id',
    timeMs: 'occurred_at',
    number: 'seq',
    temperature: 'payload.temperature',
    humidity: 'payload.humidity',
    pressureHpa: 'payload.pressure_hpa',
    batteryMv: 'payload.battery_mv',
    status: 'payload.status',
    'place.lat': 'payload.location.lat',
    'place.lon': 'payload.location.lon',
    floor: 'payload.tags[0]',
  },
  required: ['sensor', 'timeMs', 'temperature'],
  coerce: { timeMs: 'iso8601->epoch', number: 'integer', temperature: 'number', batteryMv: 'integer' },
  schema: {
    type: 'object',
    required: ['sensor', 'timeMs', 'temperature', 'status'],
    properties: {
      sensor: { type: 'string', maxLength: 64 },
      timeMs: { type: 'integer' },
      temperature: { type: 'number' },
      humidity: { type: 'number', minimum: 0, maximum: 1 },
      pressureHpa: { type: 'number' },
      batteryMv: { type: 'integer', minimum: 0 },
      status: { type: 'string' },
      place: { type: 'object', required: ['lat', 'lon'] },
    },
  },
  rules: [
    { kind: 'bounds', field: 'temperature', min: -60, max: 80 },
    { kind: 'bounds', field: 'pressureHpa', min: 800, max: 1200 },
    { kind: 'enum', field: 'status', values: ['ok', 'degraded'] },
    { kind: 'skew' },
  ],
}

export function envelopeOf(event: ReferenceEvent, payload: Json): Envelope {
  const eventTimeMs = Date.parse(event.occurred_at)
  return {
    schemaVersion: ENVELOPE_VERSION,
    eventId: '00'.repeat(32),
    sourceId: event.source_id,
    sourceVersion: '1',
    connectorId: 'bench',
    connectorVersion: '1',
    streamId: 'readings',
    partitionKey: event.source_id,
    domain: 'iot',
    type: event.type,
    payloadType: event.schema,
    dataVersion: '1',
    eventTimeMs,
    ingestTimeMs: eventTimeMs + 5,
    payload,
    qualityFlags: 0,
  }
}
